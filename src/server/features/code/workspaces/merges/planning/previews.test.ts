import { beforeAll, describe, expect, test } from "vitest";
import type { PreviewRequest } from "#shared/api/code/previews.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { systemRoleIds } from "../../../../../db/migrate.js";
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
import { fieldsOf } from "#test/support/http/raw-request.js";

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
  const refs = (project: { id: string; organization_id: string }) =>
    gitInRepository(app, project, "for-each-ref");
  const get = async (workspace: Workspace) =>
    (await owner.api.workspaces.get({ params: { agent_id: workspace.agent_id } })).data;

  test("of a merge equal the later merge, unsaved work included", async () => {
    const { project, workspace, id } = await apart();
    const before = await refs(project);
    const seen = await preview(id, { act: "merge" });
    expect(seen).toMatchObject({
      kind: "merge",
      strategy: "newest_file_wins",
      source_branch: workspace.branch_name,
      target_branch: "main",
      unsaved: true,
      up_to_date: false,
      conflicts: [
        { paths: ["f"], source: [{ text: "source\n" }], target: [{ text: "target\n" }] },
        { paths: ["g"], source: [{ text: "unsaved\n" }], target: [{ text: "target\n" }] },
      ],
    });
    expect(await refs(project)).toBe(before);
    const { data: merge } = await owner.api.workspaces.createMerge({
      params: { agent_id: id },
      body: { expected_source: seen.source_commit, expected_target: seen.target_commit },
    });
    expect(merge.resolutions.map(({ winner, rule }) => ({ winner, rule }))).toEqual(
      seen.conflicts.map(({ decision }) => decision),
    );
    const changed = await gitInRepository(app, project, "diff", "--name-only", "main^1", "main");
    expect(seen.diff.files.map(({ path }) => path).join("\n")).toBe(changed);
    expect(await preview(id, { act: "merge" })).toMatchObject({ up_to_date: true, conflicts: [] });
  });

  test("of a sync have unsaved work on the target side and apply to the sync", async () => {
    const { workspace, id } = await apart();
    expect(await get(workspace)).toMatchObject({ ahead: 1, behind: 2 });
    const seen = await preview(id, { act: "sync", strategy: "manual" });
    expect(seen).toMatchObject({
      source_branch: "main",
      target_branch: workspace.branch_name,
      unsaved: true,
      conflicts: [
        { paths: ["f"], source: [{ text: "target\n" }] },
        { paths: ["g"], target: [{ text: "unsaved\n" }] },
      ],
    });
    expect(seen.conflicts[1]!.target_time! > seen.conflicts[1]!.source_time!).toBe(true);
    expect(seen.diff.files.map(({ path }) => path)).toEqual(["of-main"]);
    const body = {
      expected_source: seen.source_commit,
      expected_target: seen.target_commit,
      resolutions: [
        { path: "f", take: "source" as const },
        { path: "g", take: "target" as const },
      ],
    };
    const sync = (text: string) =>
      writeFiles(workspace, { g: text }).then(() =>
        owner.api.workspaces.sync({ params: { agent_id: id }, body }),
      );
    await expectProblem(sync("changed meanwhile\n"), 412, "stale");
    // The checkpoint of the rejected sync does not matter: only the files count.
    expect((await sync("unsaved\n")).status).toBe(201);
    expect(await get(workspace)).toMatchObject({ behind: 0 });
    expect(await preview(id, { act: "sync" })).toMatchObject({ up_to_date: true });
  });

  test("of a revert and a restore show the restored content and the conflicts with later work", async () => {
    const { project, id } = await apart();
    const { data: merge } = await owner.api.workspaces.createMerge({
      params: { agent_id: id },
      body: { strategy: "source_wins" },
    });
    const merge_id = merge.id as string;
    const restored = await preview(id, { act: "restore", merge_id, paths: ["f"] });
    expect(restored).toMatchObject({ kind: "restore", conflicts: [], up_to_date: false });
    expect(restored.diff.files.map(({ path }) => path)).toEqual(["f"]);

    const later = (await makeWorkspace(owner, project.id)).workspace;
    await commitFiles(owner, later, { f: "later\n" });
    await mergeIntoBase(owner, later);
    const open = await preview(id, { act: "revert", merge_id });
    expect(open).toMatchObject({
      kind: "revert",
      strategy: "manual",
      target_branch: "main",
      conflicts: [
        {
          paths: ["f"],
          source: [{ text: "target\n" }],
          target: [{ text: "later\n" }],
          source_time: null,
          decision: null,
        },
      ],
    });
    const { data: revert } = await owner.api.workspaces.revertMerge({
      params: { agent_id: id, merge_id },
      body: {
        resolutions: [{ path: "f", take: "target" }],
        expected_source: open.source_commit,
        expected_target: open.target_commit,
      },
    });
    expect(revert.status).toBe("conflict_resolved");
    const again = owner.api.previews.create({
      params: { agent_id: id },
      body: { act: "revert", merge_id },
    });
    await expectProblem(again, 409, "already_reverted");
  });

  test("reject the same input as the operation, and need only read access", async () => {
    const { id } = await apart();
    const ask = (person: TestPerson, body: object) =>
      person.api.previews.create({ params: { agent_id: id }, body: body as PreviewRequest });
    const merge_id = id;
    await expectProblem(ask(owner, { act: "revert", merge_id }), 404, "not_found");
    const unknown = await expectProblem(
      ask(owner, { act: "merge", target_branch: "nowhere" }),
      422,
      "validation_failed",
    );
    expect(fieldsOf(unknown)).toEqual(["body.target_branch"]);
    const wrong = await expectProblem(ask(owner, { act: "rebase" }), 422, "validation_failed");
    expect(fieldsOf(wrong)).toEqual(["body.act"]);

    const viewer = await app.person("viewer");
    await expectProblem(ask(viewer, { act: "merge" }), 404, "not_found");
    const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
    await owner.api.members.add({ params: { org_id: orgId }, body });
    expect((await ask(viewer, { act: "merge" })).status).toBe(200);
  });
});
