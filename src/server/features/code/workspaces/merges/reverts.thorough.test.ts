import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Merge } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf } from "#test/support/http/raw-request.js";
import { systemRoleIds } from "../../../../db/migrate.js";

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let project: Project;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("owner");
  orgId = (await makeOrganization(owner)).id;
});
beforeEach(async () => {
  project = await makeProjectWith(owner, orgId, { f: "base\n", g: "base\n" });
});
afterAll(() => app.close());

interface Made {
  workspace: Workspace;
  merge: Merge & { id: string };
  params: { agent_id: string; merge_id: string };
}

/** Merges an agent's files into main. Without a workspace it creates one from the current main. */
async function merged(files: Record<string, string>, workspace?: Workspace): Promise<Made> {
  const one = workspace ?? (await makeWorkspace(owner, project.id)).workspace;
  await commitFiles(owner, one, files);
  const merge = (await mergeIntoBase(owner, one)) as Made["merge"];
  return { workspace: one, merge, params: { agent_id: one.agent_id, merge_id: merge.id } };
}
/** Returns the second of two merges that conflict in `f`: its own side won, the target's is kept. */
async function conflicted(): Promise<Made> {
  const { workspace } = await makeWorkspace(owner, project.id);
  await merged({ f: "target\n" });
  return merged({ f: "source\n", own: "o\n" }, workspace);
}
const revert = ({ params }: Made, body?: object) =>
  owner.api.workspaces.revertMerge({ params, ...(body ? { body } : {}) });
const restore = ({ params }: Made, paths: string[], body: object = {}) =>
  owner.api.workspaces.restoreVersion({ params, body: { paths, ...body } });
const shown = async ({ params }: Made) => (await owner.api.workspaces.merge({ params })).data;
const main = (path: string) => gitInRepository(app, project, "show", `main:${path}`);
const mainFiles = async () =>
  (await gitInRepository(app, project, "ls-tree", "-r", "--name-only", "main")).split("\n");
const tip = () => gitInRepository(app, project, "rev-parse", "main");
const eventsOf = async (targetId: string) =>
  (await owner.api.audit.list({ params: { org_id: orgId }, query: { target_id: targetId } })).data;

describe("reverting a merge", () => {
  test("adds one commit, linked from the merge and recorded in the audit log", async () => {
    const made = await merged({ f: "changed\n", "d/new": "n\n" });
    const before = await tip();
    const { status, data } = await revert(made);
    expect(status).toBe(201);
    expect(data).toMatchObject({
      kind: "revert",
      of_merge: made.merge.id,
      status: "clean",
      source_branch: made.workspace.branch_name,
      target_branch: "main",
      reverted_by: null,
    });
    expect(await tip()).toBe(data.merge_commit_sha);
    expect(await gitInRepository(app, project, "log", "-1", "--format=%P|%B", "main")).toBe(
      `${before}|Revert the merge of ${made.workspace.branch_name}\n\nThis undoes commit ${before}.\n`,
    );
    expect([await main("f"), await mainFiles()]).toEqual(["base", ["f", "g"]]);
    expect((await shown(made)).reverted_by).toBe(data.id);
    const { data: list } = await owner.api.workspaces.merges({ params: made.params, query: {} });
    expect(list.map(({ id }) => id)).toEqual([data.id, made.merge.id]);
    const { data: workspace } = await owner.api.workspaces.get({ params: made.params });
    expect(workspace.counts.merges).toBe(1);
    const [event] = await eventsOf(made.merge.id);
    expect(event).toMatchObject({
      action: "merge.reverted",
      target: { type: "merge", id: made.merge.id, name: `${made.workspace.branch_name} → main` },
      actor: { id: owner.id },
      changes: {
        reverted_by: { from: null, to: data.id },
        merge_commit_sha: { from: null, to: data.merge_commit_sha },
      },
    });
  });

  test("works out of order and keeps later changes", async () => {
    const first = await merged({ f: "first\n", one: "1\n" });
    const second = await merged({ g: "second\n", two: "2\n" });
    await merged({ three: "3\n" });
    await revert(first, { message: "Not that" });
    expect(await gitInRepository(app, project, "log", "-1", "--format=%s", "main")).toBe(
      "Not that",
    );
    expect([await main("f"), await main("g")]).toEqual(["base", "second"]);
    expect(await mainFiles()).toEqual(["f", "g", "three", "two"]);
    await revert(second);
    expect([await main("g"), await mainFiles()]).toEqual(["base", ["f", "g", "three"]]);
    // The workspaces keep their work, and later changes merge as usual.
    await merged({ four: "4\n" }, first.workspace);
    expect([await main("f"), await main("four")]).toEqual(["base", "4"]);
  });

  test("is rejected on a conflict with later work until it is resolved", async () => {
    const first = await merged({ f: "first\n", g: "first\n" });
    await merged({ f: "later\n" });
    const before = await gitInRepository(app, project, "for-each-ref");
    const problem = await expectProblem(revert(first), 409, "merge_conflict");
    expect(problem["conflicts"]).toEqual([{ paths: ["f"], kind: "modify/modify" }]);
    expect(problem["target_commit"]).toBe(await tip());
    const unknown = { resolutions: [{ path: "g", take: "source" }] };
    expect(fieldsOf(await expectProblem(revert(first, unknown), 422, "validation_failed"))).toEqual(
      ["body.resolutions.0.path"],
    );
    await expectProblem(revert(first, { expected_target: "a".repeat(40) }), 412, "stale");
    expect(await gitInRepository(app, project, "for-each-ref")).toBe(before);
    expect((await shown(first)).reverted_by).toBeNull();
  });

  test.each([
    [{ strategy: "source_wins" }, "base", "source"],
    [{ strategy: "target_wins" }, "later", "target"],
    [{ resolutions: [{ path: "f", content: "mine\n" }] }, "mine", "merged"],
  ])("with later work as %j says", async (body, content, winner) => {
    const first = await merged({ f: "first\n", g: "first\n" });
    await merged({ f: "later\n" });
    const { data } = await revert(first, body);
    expect(data).toMatchObject({ status: "conflict_resolved", resolutions: [{ winner }] });
    expect([await main("f"), await main("g")]).toEqual([content, "base"]);
  });

  test("twice is 409, and reverting the revert restores the merge", async () => {
    const made = await merged({ f: "changed\n" });
    const { data: reverted } = await revert(made);
    const problem = await expectProblem(revert(made), 409, "already_reverted");
    expect(problem["reverted_by"]).toBe(reverted.id);
    const undone: Made = { ...made, params: { ...made.params, merge_id: reverted.id as string } };
    const { data: back } = await revert(undone);
    expect(await main("f")).toBe("changed");
    expect((await shown(undone)).reverted_by).toBe(back.id);
    expect((await shown(made)).reverted_by).toBeNull();
    expect((await revert(made)).status).toBe(201);
    expect(await main("f")).toBe("base");
  });

  test("with nothing left to undo is 200 and moves nothing", async () => {
    const made = await merged({ f: "changed\n" });
    await merged({ f: "base\n" });
    const before = await tip();
    const { status, data } = await revert(made);
    expect([status, data.status, data.id]).toEqual([200, "up_to_date", null]);
    expect(await tip()).toBe(before);
  });

  test("is rejected if the branch does not contain the merge", async () => {
    const before = await tip();
    const made = await merged({ f: "changed\n" });
    await gitInRepository(app, project, "update-ref", "refs/heads/main", before);
    await expectProblem(revert(made), 409, "merge_gone");
  });

  test("needs the permission and a merge of this workspace", async () => {
    const made = await merged({ f: "changed\n" });
    const viewer = await app.person("viewer");
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: viewer.id, role_id: systemRoleIds.viewer },
    });
    const { params } = made;
    const revertAsViewer = viewer.api.workspaces.revertMerge({ params });
    await expectProblem(revertAsViewer, 403, "insufficient_permission");
    const other = await makeWorkspace(owner, project.id);
    for (const ids of [
      { ...params, agent_id: other.agent.id },
      { ...params, merge_id: params.agent_id },
    ]) {
      await expectProblem(owner.api.workspaces.revertMerge({ params: ids }), 404, "not_found");
    }
    const wrong = revert(made, { strategy: "newest_file_wins" });
    expect(fieldsOf(await expectProblem(wrong, 422, "validation_failed"))).toEqual([
      "body.strategy",
    ]);
  });

  test("by two processes at once happens once, among concurrent merges", async () => {
    const made = await merged({ f: "changed\n" });
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { other: "o\n" });
    const sibling = await app.sibling();
    const there = sibling.client(owner.token);
    const { params } = made;
    const [one, two] = await Promise.allSettled([
      owner.api.workspaces.revertMerge({ params }),
      there.workspaces.revertMerge({ params }),
      there.workspaces.createMerge({ params: { agent_id: workspace.agent_id } }),
    ]);
    await sibling.close();
    expect([one.status, two.status].toSorted()).toEqual(["fulfilled", "rejected"]);
    const lost = one.status === "rejected" ? one : two;
    await expectProblem(
      Promise.reject((lost as PromiseRejectedResult).reason),
      409,
      "already_reverted",
    );
    expect([await main("f"), await main("other")]).toEqual(["base", "o"]);
  });

  test.each([true, false])(
    "is completed or rolled back at the next start after an interruption (branch moved: %s)",
    async (moved) => {
      const made = await merged({ f: "changed\n" });
      const before = await tip();
      const { data } = await revert(made);
      await queryAsOwner(app, "update merges set reverted_by = null where id = $1", [
        made.merge.id,
      ]);
      await queryAsOwner(app, "update merges set state = 'pending' where id = $1", [data.id]);
      if (!moved) await gitInRepository(app, project, "update-ref", "refs/heads/main", before);
      await (await app.sibling()).close();
      expect((await shown(made)).reverted_by).toBe(moved ? data.id : null);
      expect(await queryAsOwner(app, "select from merges where state <> 'done'")).toEqual([]);
      if (moved) await expectProblem(revert(made), 409, "already_reverted");
      else expect((await revert(made)).status).toBe(201);
      expect(await main("f")).toBe("base");
      const [event] = await eventsOf(made.merge.id);
      expect(event).toMatchObject({ action: "merge.reverted", actor: { id: owner.id } });
    },
  );
});

describe("restoring the other version", () => {
  test("restores the losing version by a new commit and changes nothing else", async () => {
    const made = await conflicted();
    await merged({ later: "l\n" });
    const before = await tip();
    const { status, data } = await restore(made, ["f"]);
    expect(status).toBe(201);
    expect(data).toMatchObject({ kind: "restore", of_merge: made.merge.id, status: "clean" });
    // The list of a merge contains its restore, but not those of other merges.
    const { agent_id } = made.params;
    const madeFrom = async (of_merge: string) =>
      (await owner.api.workspaces.merges({ params: { agent_id }, query: { of_merge } })).data;
    expect((await madeFrom(made.merge.id)).map(({ id }) => id)).toEqual([data.id]);
    expect(await madeFrom(data.id as string)).toEqual([]);
    expect(await gitInRepository(app, project, "log", "-1", "--format=%P|%s", "main")).toBe(
      `${before}|Restore the other version of f`,
    );
    expect([await main("f"), await mainFiles()]).toEqual(["target", ["f", "g", "later", "own"]]);
    expect((await shown(made)).reverted_by).toBeNull();
    const [event] = await eventsOf(made.merge.id);
    expect(event).toMatchObject({
      action: "merge.version_restored",
      changes: { merge_commit_sha: { from: null, to: data.merge_commit_sha } },
    });
    const again = await restore(made, ["f"]);
    expect([again.status, again.data.status]).toEqual([200, "up_to_date"]);
    // The restore can be reverted like any merge.
    await revert({ ...made, params: { ...made.params, merge_id: data.id as string } });
    expect(await main("f")).toBe("source");
  });

  test("restores a deletion, too", async () => {
    const one = (await makeWorkspace(owner, project.id)).workspace;
    const two = (await makeWorkspace(owner, project.id)).workspace;
    await rm(join(folderOf(one), "f"));
    await merged({}, one);
    const made = await merged({ f: "changed\n" }, two);
    expect(made.merge.resolutions).toMatchObject([{ winner: "source", loser_ref: null }]);
    await restore(made, ["f"]);
    expect(await mainFiles()).toEqual(["g"]);
  });

  test("is rejected if the file has changed since, until the conflict is resolved", async () => {
    const made = await conflicted();
    await merged({ f: "later\n" });
    const problem = await expectProblem(restore(made, ["f"]), 409, "merge_conflict");
    expect(problem["conflicts"]).toEqual([{ paths: ["f"], kind: "modify/modify" }]);
    await restore(made, ["f"], { strategy: "source_wins" });
    expect(await main("f")).toBe("target");
  });

  test("names a path that has no other version", async () => {
    const made = await conflicted();
    const clean = expectProblem(restore(made, ["f", "own"]), 422, "validation_failed");
    expect(fieldsOf(await clean)).toEqual(["body.paths.1"]);
    const none = expectProblem(restore(made, []), 422, "validation_failed");
    expect(fieldsOf(await none)).toEqual(["body.paths"]);

    const { workspace } = await makeWorkspace(owner, project.id);
    await merged({ g: "target\n" });
    await commitFiles(owner, workspace, { g: "source\n" });
    const { data } = await owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { resolutions: [{ path: "g", content: "mine\n" }] },
    });
    const params = { agent_id: workspace.agent_id, merge_id: data.id as string };
    const written = owner.api.workspaces.restoreVersion({ params, body: { paths: ["g"] } });
    expect(fieldsOf(await expectProblem(written, 422, "validation_failed"))).toEqual([
      "body.paths.0",
    ]);
  });

  test("of a reverted merge is 409", async () => {
    const made = await conflicted();
    await revert(made);
    await expectProblem(restore(made, ["f"]), 409, "already_reverted");
  });
});
