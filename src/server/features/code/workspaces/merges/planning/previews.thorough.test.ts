// Thorough: further acts and strategies.
import { beforeAll, describe, expect, test } from "vitest";
import type { PreviewRequest } from "#shared/api/code/previews.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";

describe("previews", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  const preview = async (agentId: string, body: PreviewRequest) =>
    (await owner.api.previews.create({ params: { agent_id: agentId }, body })).data;

  /** Creates a workspace with two files that conflict with `main` and one clean change on each side. */
  async function apart() {
    const project = await makeProjectWith(owner, orgId, { f: "base\n", g: "base\n" });
    const first = (await makeWorkspace(owner, project.id)).workspace;
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, first, { f: "target\n", g: "target\n", "of-main": "m\n" });
    await mergeIntoBase(owner, first);
    await commitFiles(owner, workspace, { f: "source\n", "of-workspace": "w\n" });
    await writeFiles(workspace, { g: "unsaved\n" });
    return { project, workspace, id: workspace.agent_id };
  }
  const get = async (workspace: Workspace) =>
    (await owner.api.workspaces.get({ params: { agent_id: workspace.agent_id } })).data;

  test("with the manual strategy list unresolved conflicts and keep the target's version", async () => {
    const { project, id } = await apart();
    const open = await preview(id, { act: "merge", strategy: "manual" });
    expect(open.conflicts.map(({ decision }) => decision)).toEqual([null, null]);
    for (const one of open.conflicts) expect(one.source_time! > one.target_time!).toBe(true);
    expect(open.diff.files.map(({ path }) => path)).toEqual(["of-workspace"]);

    const resolutions = [{ path: "f", content: "both\n" }];
    const half = await preview(id, { act: "merge", strategy: "manual", resolutions });
    expect(half.conflicts).toMatchObject([{ decision: { winner: "merged" } }, { decision: null }]);
    expect(half.diff.files.map(({ path }) => path)).toEqual(["f", "of-workspace"]);

    const { data: merge } = await owner.api.workspaces.createMerge({
      params: { agent_id: id },
      body: {
        resolutions: [...resolutions, { path: "g", take: "source" }],
        expected_source: open.source_commit,
        expected_target: open.target_commit,
      },
    });
    expect(merge.resolutions).toMatchObject([{ winner: "merged" }, { winner: "source" }]);
    expect(await gitInRepository(app, project, "show", "main:f")).toBe("both");
  });

  test("commits are filtered by type, and a workspace shows how far it is ahead and behind", async () => {
    const { workspace, id } = await apart();
    await owner.api.workspaces.sync({ params: { agent_id: id }, body: {} });
    const list = async (commit_type: "merge" | "checkpoint" | "final") =>
      (await owner.api.workspaces.commits({ params: { agent_id: id }, query: { commit_type } }))
        .data;
    expect((await list("merge")).map((item) => item.commit_type)).toEqual(["merge"]);
    expect((await list("checkpoint")).length).toBe(2);
    expect(await list("final")).toEqual([]);
    expect(await get(workspace)).toMatchObject({ ahead: 3, behind: 0 });
    const query = { commit_type: "other" as "merge" };
    await expectProblem(
      owner.api.workspaces.commits({ params: { agent_id: id }, query }),
      422,
      "validation_failed",
    );
  });
});
