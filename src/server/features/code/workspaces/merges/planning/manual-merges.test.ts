import { chmod, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
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
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

/** An edit of a folder, as an agent would make it. */
type Edit = (at: (path: string) => string) => Promise<unknown>;

const put =
  (path: string, data: string | Uint8Array): Edit =>
  async (at) => {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), data);
  };
const remove =
  (path: string): Edit =>
  (at) =>
    rm(at(path), { recursive: true });
const both =
  (...edits: Edit[]): Edit =>
  async (at) => {
    for (const edit of edits) await edit(at);
  };
const move =
  (from: string, to: string): Edit =>
  (at) =>
    rename(at(from), at(to));
const lines = (last: string): string => `${"a line that stays\n".repeat(20)}${last}\n`;

describe("resolving conflicts manually", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  /** Creates a workspace whose edit conflicts with an earlier merge. */
  async function conflicting(base: Record<string, string>, target: Edit, source: Edit) {
    const project = await makeProjectWith(owner, orgId, base);
    const first = (await makeWorkspace(owner, project.id)).workspace;
    const { workspace } = await makeWorkspace(owner, project.id);
    const edit = async (workspace: Workspace, work: Edit) => {
      await work((path) => join(folderOf(workspace), path));
      await commitFiles(owner, workspace, {});
    };
    await edit(first, target);
    await edit(workspace, source);
    await mergeIntoBase(owner, first);
    return { project, workspace, params: { agent_id: workspace.agent_id } };
  }
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
    const { workspace } = await modified();
    const problem = await expectProblem(merge(workspace, resolutions), 422, "validation_failed");
    expect(fieldsOf(problem)).toEqual([place]);
  });

  test("rejects resolutions for an automatic strategy, and an oversized body", async () => {
    const { workspace, params } = await modified();
    const body = { strategy: "source_wins" as const, resolutions: [] };
    const call = owner.api.workspaces.createMerge({ params, body });
    const problem = await expectProblem(call, 422, "validation_failed");
    expect(fieldsOf(problem)).toEqual(["body.resolutions"]);
    const large = merge(workspace, [{ path: "f", content: "x".repeat(1024 * 1024) }]);
    await expectProblem(large, 413, "body_too_large");
  });

  test("applies only to the previewed commits", async () => {
    const { project, workspace, params } = await modified();
    await writeFiles(workspace, { "unsaved.txt": "u\n" });
    const { data: seen } = await owner.api.workspaces.previewConflicts({ params });
    const expected = {
      expected_source: seen.source_commit,
      expected_target: seen.target_commit,
      resolutions: [{ path: "f", take: "source" as const }],
    };
    const other = (await makeWorkspace(owner, project.id)).workspace;
    await commitFiles(owner, other, { "other.txt": "o\n" });
    await mergeIntoBase(owner, other);
    const asSeen = (body: object) => owner.api.workspaces.createMerge({ params, body });
    await expectProblem(asSeen(expected), 412, "stale");
    const target = { expected_target: await gitInRepository(app, project, "rev-parse", "main") };
    await writeFiles(workspace, { "unsaved.txt": "changed\n" });
    await expectProblem(asSeen({ ...expected, ...target }), 412, "stale");
    await expectProblem(
      asSeen({ ...expected, ...target, expected_source: "a".repeat(40) }),
      412,
      "stale",
    );
    await writeFiles(workspace, { "unsaved.txt": "u\n" });
    // The files equal those of the preview, although the checkpoint is a different commit.
    expect((await asSeen({ ...expected, ...target })).status).toBe(201);
  });

  const image = (byte: number): Uint8Array => new Uint8Array([0, 1, 2, byte, 0, 255]);
  const kinds: {
    kind: string;
    base: Record<string, string>;
    target: Edit;
    source: Edit;
    paths: string[];
    /** Files of main if the side wins. */
    whenSource: string[];
    whenTarget: string[];
    versions: { source: unknown[]; target: unknown[] };
  }[] = [
    {
      kind: "modify/delete",
      base: { f: "base\n" },
      target: put("f", "target\n"),
      source: remove("f"),
      paths: ["f"],
      whenSource: ["z"],
      whenTarget: ["f", "z"],
      versions: {
        source: [],
        target: [{ path: "f", mode: "100644", text: "target\n", omitted: null }],
      },
    },
    {
      kind: "add/add",
      base: {},
      target: put("d/f", "target\n"),
      source: put("d/f", "source\n"),
      paths: ["d/f"],
      whenSource: ["d/f", "z"],
      whenTarget: ["d/f", "z"],
      versions: { source: [{ text: "source\n" }], target: [{ text: "target\n" }] },
    },
    {
      kind: "rename/rename",
      base: { f: lines("base") },
      target: move("f", "t"),
      source: move("f", "s"),
      paths: ["f", "s", "t"],
      whenSource: ["s", "z"],
      whenTarget: ["t", "z"],
      versions: { source: [{ path: "s" }], target: [{ path: "t" }] },
    },
    {
      kind: "rename/delete",
      base: { f: lines("base") },
      target: move("f", "t"),
      source: remove("f"),
      paths: ["f", "t"],
      whenSource: ["z"],
      whenTarget: ["t", "z"],
      versions: { source: [], target: [{ path: "t" }] },
    },
    {
      kind: "directory/file",
      base: {},
      target: put("d/f", "in a folder\n"),
      source: put("d", "a file\n"),
      paths: ["d"],
      whenSource: ["d", "d~main/f", "z"],
      whenTarget: ["d/f", "d~workspace", "z"],
      versions: { source: [{ path: "d", text: "a file\n" }], target: [] },
    },
    {
      kind: "binary",
      base: {},
      target: put("f", image(3)),
      source: put("f", image(4)),
      paths: ["f"],
      whenSource: ["f", "z"],
      whenTarget: ["f", "z"],
      versions: {
        source: [{ text: null, omitted: "binary" }],
        target: [{ text: null, omitted: "binary" }],
      },
    },
    {
      kind: "mode",
      base: {},
      target: put("f", "same\n"),
      source: both(put("f", "same\n"), (at) => chmod(at("f"), 0o755)),
      paths: ["f"],
      whenSource: ["f", "z"],
      whenTarget: ["f", "z"],
      versions: { source: [{ mode: "100755" }], target: [{ mode: "100644" }] },
    },
    {
      kind: "symbolic_link",
      base: {},
      target: (at) => symlink("target", at("f")),
      source: (at) => symlink("source", at("f")),
      paths: ["f"],
      whenSource: ["f", "z"],
      whenTarget: ["f", "z"],
      versions: {
        source: [{ mode: "120000", text: "source" }],
        target: [{ mode: "120000", text: "target" }],
      },
    },
  ];

  test.each(kinds)("a conflict of the kind $kind, resolved for each side", async (item) => {
    const { kind, paths } = item;
    const set = await conflicting({ z: "z\n", ...item.base }, item.target, item.source);
    const { project, workspace, params } = set;
    const { data: seen } = await owner.api.workspaces.previewConflicts({ params });
    expect(seen.conflicts).toMatchObject([{ kind, paths, ...item.versions }]);
    const problem = await expectProblem(merge(workspace), 409, "merge_conflict");
    expect(problem["conflicts"]).toEqual([{ kind, paths }]);

    const named = (files: string[]) =>
      files.map((file) => file.replace(/~workspace-.*/, "~workspace"));
    const before = await gitInRepository(app, project, "rev-parse", "main");
    for (const [take, files] of [
      ["target", item.whenTarget],
      ["source", item.whenSource],
    ] as const) {
      // Any path of a conflict identifies it.
      const { data } = await merge(workspace, [{ path: paths.at(-1) as string, take }]);
      expect(data.resolutions).toMatchObject([{ kind, paths, winner: take }]);
      expect(named(await filesOf(project))).toEqual(files);
      const kept = { ...params, merge_id: data.id as string };
      expect((await owner.api.workspaces.mergeConflicts({ params: kept })).data).toEqual(seen);
      await gitInRepository(app, project, "update-ref", "refs/heads/main", before);
    }
    const path = paths[0] as string;
    const { data } = await merge(workspace, [{ path, content: "mine\n" }]);
    expect(data.resolutions).toMatchObject([{ winner: "merged" }]);
    expect(await gitInRepository(app, project, "show", `main:${path}`)).toBe("mine");
    const [entry] = (await gitInRepository(app, project, "ls-tree", "main", path)).split(" ");
    // A script stays executable; a link with content becomes a file.
    expect(entry).toBe("100644");
  });

  test("content for a script keeps it executable", async () => {
    const script = (text: string) => both(put("run", text), (at) => chmod(at("run"), 0o755));
    const { project, workspace } = await conflicting({}, script("#!t\n"), script("#!s\n"));
    await merge(workspace, [{ path: "run", content: "#!both\n" }]);
    expect(await gitInRepository(app, project, "ls-tree", "main", "run")).toMatch(/^100755 /);
  });

  test("content cannot replace other files", async () => {
    const { workspace } = await conflicting(
      { a: lines("base") },
      both(remove("a"), put("a/b", lines("target")), put("a/other", "other\n")),
      put("a", lines("source")),
    );
    const problem = await expectProblem(merge(workspace), 409, "merge_conflict");
    const [{ paths }] = problem["conflicts"] as [{ paths: string[] }];
    expect(paths).toEqual(["a", "a/b"]);
    const call = merge(workspace, [{ path: "a", content: "mine\n" }]);
    expect(fieldsOf(await expectProblem(call, 422, "validation_failed"))).toEqual([
      "body.resolutions.0.path",
    ]);
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
