/** The uids of runs if the server runs as root: each workspace has its own uid, which owns its files. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { describeEachDriver } from "#test/support/git/folder-drivers.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { isRoot } from "#test/support/sandbox/test-sandbox.js";

const [first, last] = [1_900_000_000, 1_900_065_535];

describeEachDriver("uids of runs", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_FOLDER_DRIVER: driver }, "real");
    owner = await app.person("Ada");
    project = await makeProject(owner, (await makeOrganization(owner)).id);
  });
  afterAll(() => app?.close());

  const runIn = async (agentId: string, script: string): Promise<void> => {
    const params = { agent_id: agentId };
    const { data } = await owner.api.runs.create({ params, body: { command: shell(script) } });
    expect(await waitForRunEnd(owner, data.id)).toMatchObject({ status: "succeeded" });
  };
  const ownersOf = async (workspace: Workspace, names: string[]): Promise<Set<number>> => {
    const folder = workspace.working_directory as string;
    const stats = await Promise.all(["", ...names].map((name) => lstat(join(folder, name))));
    return new Set(stats.flatMap(({ uid, gid }) => [uid, gid]));
  };
  const assigned = async (): Promise<(number | null)[]> => {
    const rows = await queryAsOwner(app, "select run_uid from workspaces order by created_at");
    return (rows as { run_uid: number | null }[]).map(({ run_uid }) => run_uid);
  };

  test.runIf(isRoot)("each workspace keeps its own uid until it is archived", async () => {
    const one = await makeWorkspace(owner, project.id);
    const two = await makeWorkspace(owner, project.id);
    expect(await assigned()).toEqual([null, null]);
    const script = "echo more >> README.md; mkdir -p d; echo new > d/file; mv d e";
    for (const { agent } of [one, two]) await runIn(agent.id, script);
    const uids = await assigned();
    expect(new Set(uids).size).toBe(2);
    for (const [index, { workspace }] of [one, two].entries()) {
      const [uid, ...more] = await ownersOf(workspace, ["README.md", "e", "e/file"]);
      expect(more).toEqual([]);
      expect(uid).toBe(uids[index]);
      expect(uid).toBeGreaterThanOrEqual(first);
      expect(uid).toBeLessThanOrEqual(last);
    }
    await runIn(one.agent.id, "echo again >> README.md; echo again > e/file; rm -r e");
    expect(await assigned()).toEqual(uids);

    const params = { agent_id: one.agent.id };
    await owner.api.workspaces.archive({ params });
    expect(await assigned()).toEqual([null, uids[1]]);
    await owner.api.workspaces.restore({ params });
    await runIn(one.agent.id, "echo restored >> README.md");
    expect((await assigned()).filter((uid) => uid !== null)).toHaveLength(2);
  });
});
