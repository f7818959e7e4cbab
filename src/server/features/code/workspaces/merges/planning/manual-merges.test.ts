import { beforeAll, describe, expect, test } from "vitest";
import type { Choice } from "#shared/api/code/merges.js";
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
} from "#test/support/fixtures/factories.js";
import {
  both,
  makeConflicting,
  put,
  remove,
  type Edit,
} from "#test/support/git/conflicting-edits.js";
import { gitInRepository } from "#test/support/git/git.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

describe("resolving conflicts manually", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  const conflicting = (base: Record<string, string>, target: Edit, source: Edit) =>
    makeConflicting(owner, orgId, base, target, source);
  const modified = () => conflicting({ f: "base\n" }, put("f", "target\n"), put("f", "source\n"));
  const merge = (workspace: Workspace, resolutions?: Choice[]) =>
    owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { strategy: "manual", ...(resolutions ? { resolutions } : {}) },
    });
  const filesOf = async (project: { id: string; organization_id: string }) =>
    (await gitInRepository(app, project, "ls-tree", "-r", "--name-only", "main")).split("\n");

  test("is rejected with the conflicts until each is resolved, and changes nothing", async () => {
    const { project, workspace, params } = await conflicting(
      { f: "base\n", g: "base\n" },
      both(put("f", "target\n"), put("g", "target\n")),
      both(put("f", "source\n"), put("g", "source\n")),
    );
    const before = await gitInRepository(app, project, "for-each-ref");
    const problem = await expectProblem(merge(workspace), 409, "merge_conflict");
    expect(problem["conflicts"]).toEqual([
      { paths: ["f"], kind: "modify/modify" },
      { paths: ["g"], kind: "modify/modify" },
    ]);
    expect(problem["target_commit"]).toBe(await gitInRepository(app, project, "rev-parse", "main"));
    expect(problem["source_commit"]).toBe(
      await gitInRepository(app, project, "rev-parse", workspace.branch_name),
    );
    const some = await expectProblem(
      merge(workspace, [{ path: "f", take: "source" }]),
      409,
      "merge_conflict",
    );
    expect(some["conflicts"]).toEqual([{ paths: ["g"], kind: "modify/modify" }]);
    for (const body of [{ strategy: "manual" } as const, { resolutions: [] }]) {
      const preview = owner.api.workspaces.previewMerge({ params, body });
      await expectProblem(preview, 409, "merge_conflict");
    }
    expect(await gitInRepository(app, project, "for-each-ref")).toBe(before);
    expect((await owner.api.workspaces.merges({ params, query: {} })).data).toEqual([]);
  });

  test("takes a side or other content, as previewed, and records the choice", async () => {
    const { project, workspace, params } = await conflicting(
      { f: "base\n", g: "base\n", h: "base\n" },
      both(put("f", "target\n"), put("g", "target\n"), put("h", "target\n")),
      both(put("f", "source\n"), put("g", "source\n"), put("h", "source\n")),
    );
    const resolutions: Choice[] = [
      { path: "h", content: "both\nund Ümlaut\n" },
      { path: "f", take: "source" },
      { path: "g", take: "target" },
    ];
    // Resolutions imply the manual strategy.
    const { data: preview } = await owner.api.workspaces.previewMerge({
      params,
      body: { resolutions },
    });
    const { status, data } = await merge(workspace, resolutions);
    expect(status).toBe(201);
    const { created_at: _p, resolutions: previewed, ...expected } = preview;
    expect(data).toMatchObject({
      ...expected,
      id: data.id,
      merge_commit_sha: data.merge_commit_sha,
      subject: data.subject,
    });
    expect(previewed.map(({ loser_ref: _ref, ...rest }) => rest)).toEqual(
      data.resolutions.map(({ loser_ref: _ref, ...rest }) => rest),
    );
    expect(data).toMatchObject({
      status: "conflict_resolved",
      resolution_strategy: "manual",
      total_conflicts: 3,
      resolutions: [
        { paths: ["f"], winner: "source", loser_ref: `refs/keep/${data.id}/target` },
        { paths: ["g"], winner: "target", loser_ref: `refs/keep/${data.id}/source` },
        { paths: ["h"], winner: "merged", loser_ref: null },
      ],
    });
    for (const { rule } of data.resolutions) expect(rule).toMatch(/^manual: /);
    const show = (path: string) => gitInRepository(app, project, "show", `main:${path}`);
    expect([await show("f"), await show("g"), await show("h")]).toEqual([
      "source",
      "target",
      "both\nund Ümlaut",
    ]);
  });

  test("takes the lines of each hunk, as the preview shows them", async () => {
    const text = (a: string, b: string): string =>
      `${a}\n${"a line that stays\n".repeat(20)}${b}\n`;
    const { project, workspace, params } = await conflicting(
      { f: text("base", "base"), g: "base\n" },
      both(put("f", text("target 1", "target 2")), put("g", "target\n")),
      both(put("f", text("source 1", "source 2")), remove("g")),
    );
    const { data: preview } = await owner.api.previews.create({
      params,
      body: { act: "merge", strategy: "manual" },
    });
    const [f, g] = preview.conflicts;
    expect(f?.merged?.path).toBe("f");
    expect(f?.merged?.segments.filter((segment) => "target" in segment)).toEqual([
      { target: "target 1\n", source: "source 1\n" },
      { target: "target 2\n", source: "source 2\n" },
    ]);
    expect(g?.merged).toBeNull();

    const rest = { path: "g", take: "target" } as const;
    const refused = async (choice: Choice, field: string, type: string) => {
      const problem = await expectProblem(
        merge(workspace, [rest, choice]),
        422,
        "validation_failed",
      );
      expect(problem["errors"]).toEqual([
        { loc: ["body", "resolutions", 1, field], msg: expect.any(String), type },
      ]);
    };
    await refused({ path: "f", hunks: [{ take: "both" }] }, "hunks", "wrong_count");
    const withoutHunks: Choice[] = [
      { path: "f", take: "source" },
      { path: "g", hunks: [{ take: "both" }] },
    ];
    const none = await expectProblem(merge(workspace, withoutHunks), 422, "validation_failed");
    expect(none["errors"]).toEqual([
      { loc: ["body", "resolutions", 1, "hunks"], msg: expect.any(String), type: "no_hunks" },
    ]);

    const hunks: Choice = { path: "f", hunks: [{ take: "source" }, { take: "both" }] };
    const { data } = await merge(workspace, [hunks, rest]);
    expect(data.resolutions.map(({ winner }) => winner)).toEqual(["merged", "target"]);
    expect(await gitInRepository(app, project, "show", "main:f")).toBe(
      text("source 1", "target 2\nsource 2").trimEnd(),
    );
    expect(await filesOf(project)).toEqual(["f", "g"]);
  });

  test("can be a workspace's setting", async () => {
    const { workspace, params } = await modified();
    const settings = { merge_strategy: "manual" } as const;
    await owner.api.workspaces.update({ params, body: { settings } });
    await expectProblem(owner.api.workspaces.createMerge({ params }), 409, "merge_conflict");
    expect((await merge(workspace, [{ path: "f", take: "source" }])).status).toBe(201);
  });

  test("merges non-conflicting changes cleanly", async () => {
    const project = await makeProjectWith(owner, orgId, { f: "base\n" });
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { f: "new\n" });
    expect((await merge(workspace)).data).toMatchObject({ status: "clean", resolutions: [] });
    expect((await merge(workspace)).data.status).toBe("up_to_date");
  });

  describe("wrong resolutions, which change nothing", () => {
    let workspace: Workspace;
    let params: { agent_id: string };
    beforeAll(async () => {
      ({ workspace, params } = await modified());
    });

    test.each<[string, Choice[], string]>([
      ["a path that does not conflict", [{ path: "g", take: "source" }], "body.resolutions.0.path"],
      [
        "a conflict that is already resolved",
        [
          { path: "f", take: "source" },
          { path: "f", take: "target" },
        ],
        "body.resolutions.1.path",
      ],
      ["a decision without anything", [{ path: "f" }], "body.resolutions.0"],
      ["two decisions in one", [{ path: "f", take: "source", content: "" }], "body.resolutions.0"],
      ["an unknown side", [{ path: "f", take: "ours" as "source" }], "body.resolutions.0.take"],
      ["an empty path", [{ path: "", take: "source" }], "body.resolutions.0.path"],
    ])("rejects %s and names the field", async (_what, resolutions, place) => {
      const problem = await expectProblem(merge(workspace, resolutions), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([place]);
    });

    test("rejects resolutions for an automatic strategy, and an oversized body", async () => {
      const body = { strategy: "source_wins" as const, resolutions: [] };
      const call = owner.api.workspaces.createMerge({ params, body });
      const problem = await expectProblem(call, 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual(["body.resolutions"]);
      const large = merge(workspace, [{ path: "f", content: "x".repeat(1024 * 1024) }]);
      await expectProblem(large, 413, "body_too_large");
    });
  });

  test("versions of an unknown merge or another workspace's merge are 404", async () => {
    const { project, workspace, params } = await modified();
    const { data } = await merge(workspace, [{ path: "f", take: "source" }]);
    const other = await makeWorkspace(owner, project.id);
    const merge_id = data.id as string;
    const of = (agent_id: string, id: string) =>
      owner.api.workspaces.mergeConflicts({ params: { agent_id, merge_id: id } });
    await expectProblem(of(other.agent.id, merge_id), 404, "not_found");
    await expectProblem(of(params.agent_id, params.agent_id), 404, "not_found");
  });
});
