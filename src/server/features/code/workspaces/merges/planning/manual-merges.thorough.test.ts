// Thorough: every kind of conflict, resolved for each side.
import { chmod, symlink } from "node:fs/promises";
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
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import {
  both,
  makeConflicting,
  move,
  put,
  remove,
  type Edit,
} from "#test/support/git/conflicting-edits.js";
import { gitInRepository } from "#test/support/git/git.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

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
});
