import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { commitFiles, makeOrganization, makeWorkspace } from "#test/support/fixtures/factories.js";
import { makeDiverged, setDrivers } from "#test/support/fixtures/merge-drivers.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { listDeps, lockSides, regenerateBy } from "#test/support/fixtures/regenerate.js";
import { shell } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("queued merges whose files are regenerated", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1", OMOI_LOG_LEVEL: "error" }, "real");
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());

  /** A project whose check requires that the lock file lists all files. */
  const diverged = async (driver: MergeDriver, approvals = 0) => {
    const made = await makeDiverged(owner, orgId, lockSides, [driver]);
    const params = { project_id: made.project.id };
    await owner.api.mergeQueue.setCheck({
      params: { ...params, name: "test" },
      body: { command: shell("ls deps | diff - deps.lock") },
    });
    const protected_branches = [{ pattern: "main", checks: ["test"], approvals }];
    await owner.api.projects.update({ params, body: { protected_branches } });
    return made;
  };
  const queue = async ({ agent_id }: Workspace, body: object = {}): Promise<MergeRequest> => {
    const { data } = await owner.api.workspaces.createMerge({
      params: { agent_id },
      body: { queue: true, ...body },
    });
    return data;
  };
  const get = async ({ id }: MergeRequest) =>
    (await owner.api.mergeQueue.get({ params: { merge_request_id: id } })).data;
  const ended = (request: MergeRequest) => waitForRequest(owner, request.id);
  const commands = (project: Project) =>
    queryAsOwner<{ status: string; run_id: string }>(
      app,
      `select status, run_id from commit_checks
       where project_id = $1 and name = 'regenerate' order by id`,
      [project.id],
    );
  const show = (project: Project) => gitInRepository(app, project, "show", "main:deps.lock");

  test("land after the command and the checks", async () => {
    const { project, workspace } = await diverged(regenerateBy(`sleep 1; ${listDeps}`));
    const request = await queue(workspace);
    await expect.poll(async () => (await get(request)).reason).toBe("Regenerating deps.lock.");
    expect((await get(request)).status).toBe("checking");
    const done = await ended(request);
    expect(done).toMatchObject({ status: "merged", reason: null });
    expect(done.checks).toMatchObject([{ name: "test", status: "passed" }]);
    expect(await show(project)).toBe("a\nb\nc");
    expect(await gitInRepository(app, project, "rev-parse", "main")).toBe(done.candidate_commit);
    const { data: merge } = await owner.api.workspaces.merge({
      params: { agent_id: workspace.agent_id, merge_id: done.merge_id as string },
    });
    const [command] = await commands(project);
    expect(merge.driver_files).toMatchObject([{ result: "merged", run_id: command?.run_id }]);
    expect(await commands(project)).toMatchObject([{ status: "passed" }]);
  });

  test("are regenerated one after another, each on the files of those before it", async () => {
    const { project, workspace } = await diverged(regenerateBy(listDeps), 1);
    const { workspace: other } = await makeWorkspace(owner, project.id);
    const { workspace: third } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other, { "deps/d": "1\n", "deps.lock": "a\nb\nd\n" });
    await commitFiles(owner, third, { "deps/e": "1\n", "deps.lock": "a\nb\ne\n" });
    const requests = [];
    for (const one of [workspace, other, third]) requests.push(await queue(one));
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", checks: ["test"] }] },
    });
    for (const request of requests) expect((await ended(request)).status).toBe("merged");
    expect(await show(project)).toBe("a\nb\nc\nd\ne");
    const all = await commands(project);
    expect(all.map(({ status }) => status)).toEqual(all.map(() => "passed"));
  });

  test("are rejected with the reason, or decided by their strategy, if the command fails", async () => {
    const { project, workspace, params } = await diverged(regenerateBy("exit 3"));
    const byHand = await ended(await queue(workspace, { strategy: "manual" }));
    expect(byHand.status).toBe("rejected");
    expect(byHand.reason).toContain("deps.lock: regenerate: Its command exited with code 3.");
    // The next request runs the command again, once.
    const decided = await ended(await queue(workspace, { strategy: "source_wins" }));
    expect(decided.reason).toContain("A check failed.");
    expect(await commands(project)).toMatchObject([{ status: "failed" }, { status: "failed" }]);
    await setDrivers(owner, project, [regenerateBy(listDeps)]);
    const done = await ended(await queue(workspace));
    expect(done.status).toBe("merged");
    // An undo goes the same way.
    const { workspace: later } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, later, { "deps/d": "1\n", "deps.lock": "a\nb\nc\nd\n" });
    expect((await ended(await queue(later))).status).toBe("merged");
    const { data: undo } = await owner.api.workspaces.revertMerge({
      params: { ...params, merge_id: done.merge_id as string },
      body: { queue: true },
    });
    expect((await ended(undo)).status).toBe("merged");
    expect(await show(project)).toBe("a\nb\nd");
  });

  test("stop their command when they are canceled, and others go on", async () => {
    const { project, workspace } = await diverged(regenerateBy("sleep 50"));
    const request = await queue(workspace);
    await expect.poll(async () => (await commands(project))[0]?.status).toBe("running");
    await owner.api.mergeQueue.cancel({ params: { merge_request_id: request.id } });
    await expect.poll(async () => (await commands(project))[0]?.status).toBe("cancelled");
    const { workspace: other } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other, { "x.txt": "1\n" });
    expect((await ended(await queue(other))).status).toBe("merged");
  });
});
