// Thorough: interruptions with a restart of the server, and two servers at once.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Merge } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { describeEachDriver } from "#test/support/git/folder-drivers.js";
import { cutOffSync, expectWholeSync } from "#test/support/git/cut-off-sync.js";

describeEachDriver("bringing the base branch into a workspace", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let workspace: Workspace;
  let params: { agent_id: string };
  beforeAll(async () => {
    app = await startTestApp({ OMOI_FOLDER_DRIVER: driver });
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, orgId, { f: "base\n", g: "base\n", old: "old\n" });
    ({ workspace } = await makeWorkspace(owner, project.id));
    params = { agent_id: workspace.agent_id };
  });
  afterAll(() => app.close());

  const sync = (body?: object) => owner.api.workspaces.sync({ params, ...(body ? { body } : {}) });
  const at = (path: string) => join(folderOf(workspace), path);
  const inFolder = (path: string) => readFile(at(path), "utf8");
  /** Merges another agent's work into main. */
  async function mergeOther(work: (workspace: Workspace) => Promise<unknown>): Promise<void> {
    const other = (await makeWorkspace(owner, project.id)).workspace;
    await work(other);
    await commitFiles(owner, other, {});
    await mergeIntoBase(owner, other);
  }
  const others = (files: Record<string, string>) => mergeOther((item) => writeFiles(item, files));

  test.each([
    [{ strategy: "target_wins" }, "mine\n", "target"],
    [{ strategy: "source_wins" }, "theirs\n", "source"],
    [{ resolutions: [{ path: "f", take: "target" }] }, "mine\n", "target"],
  ])(
    "resolves conflicts by a given side, %j: the base branch is the source",
    async (body, content, winner) => {
      await commitFiles(owner, workspace, { f: "mine\n" });
      await others({ f: "theirs\n" });
      const { data } = await sync(body);
      expect(data).toMatchObject({ status: "conflict_resolved", resolutions: [{ winner }] });
      expect(await inFolder("f")).toBe(content);
      const { data: shown } = await owner.api.workspaces.get({ params });
      expect(shown.counts.conflicts_resolved).toBe(1);
    },
  );

  test("from two processes at once is one commit", async () => {
    await others({ f: "theirs\n" });
    const sibling = await app.sibling();
    const there = sibling.client(owner.token);
    const answers = await Promise.all([sync(), there.workspaces.sync({ params })]);
    await sibling.close();
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 201]);
    const { data: commits } = await owner.api.workspaces.commits({ params, query: {} });
    expect(commits).toHaveLength(1);
  });

  const of = () => ({ app, owner, project, workspace });
  const cutOff = async (moved: { branch: boolean; folder: boolean }): Promise<Merge> => {
    await others({ f: "theirs\n", "d/new": "n\n" });
    return cutOffSync(of(), moved);
  };
  const wholeAgain = async (merge: Merge): Promise<void> => {
    await expectWholeSync(of(), merge);
    expect([await inFolder("f"), await inFolder("d/new")]).toEqual(["theirs\n", "n\n"]);
  };

  test.each([true, false])(
    "is completed after an interruption that follows the branch's move (folder moved: %s)",
    async (folder) => {
      const merge = await cutOff({ branch: true, folder });
      await (await app.sibling()).close();
      await wholeAgain(merge);
      expect((await commitFiles(owner, workspace, {})).created).toBe(false);
    },
  );

  test("has no effect if interrupted before the branch's move, and can be repeated", async () => {
    const merge = await cutOff({ branch: false, folder: false });
    await (await app.sibling()).close();
    const { data: commits } = await owner.api.workspaces.commits({ params, query: {} });
    expect(commits).toEqual([]);
    expect(await inFolder("f")).toBe("base\n");
    const { status, data } = await sync();
    expect([status, data.id === merge.id]).toEqual([201, false]);
    await wholeAgain(data);
  });
});
