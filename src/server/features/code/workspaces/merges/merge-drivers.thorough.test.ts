import { beforeAll, describe, expect, test } from "vitest";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import type { Project } from "#shared/api/code/projects.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, mergeIntoBase } from "#test/support/fixtures/factories.js";
import {
  hidden,
  jsonDrivers,
  lock,
  makeDiverged,
  setDrivers,
} from "#test/support/fixtures/merge-drivers.js";
import { listDeps, lockSides, regenerateBy } from "#test/support/fixtures/regenerate.js";
import { gitInRepository } from "#test/support/git/git.js";

describe("merge drivers", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  type Sides = Parameters<typeof makeDiverged>[2];
  const diverged = (files: Sides, drivers: MergeDriver[]) =>
    makeDiverged(owner, orgId, files, drivers);
  const show = async (project: Project, path: string) =>
    `${await gitInRepository(app, project, "show", `main:${path}`)}\n`;

  test("union keeps the lines of both sides", async () => {
    const { project, workspace } = await diverged(
      {
        base: { "go.sum": "a\n", "x/go.sum": "a\n" },
        target: { "go.sum": "a\ntarget\n", "x/go.sum": "a\ntarget\n" },
        source: { "go.sum": "a\nsource\n", "x/go.sum": "a\nsource\n" },
      },
      [{ pattern: "go.sum", driver: "union" }],
    );
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge.driver_files).toEqual([
      { path: "go.sum", driver: "union", result: "merged", reason: null },
    ]);
    expect(merge.resolutions.map(({ paths }) => paths)).toEqual([["x/go.sum"]]);
    expect(await show(project, "go.sum")).toBe("a\ntarget\nsource\n");
  });

  test("json merges the data where lines conflict", async () => {
    const { project, workspace, params } = await diverged(
      {
        base: { "package-lock.json": lock() },
        target: { "package-lock.json": lock({ b1: "2.0.0", f: null }) },
        source: { "package-lock.json": lock({ b2: "3.0.0", e: "1.1.0" }) },
      },
      jsonDrivers,
    );
    const merged = lock({ b1: "2.0.0", b2: "3.0.0", e: "1.1.0", f: null });
    const { data: preview } = await owner.api.previews.create({ params, body: { act: "merge" } });
    expect(preview.conflicts).toEqual([]);
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge).toMatchObject({ status: "clean", total_conflicts: 0, resolutions: [] });
    expect(await show(project, "package-lock.json")).toBe(merged);
    const merge_params = { ...params, merge_id: merge.id as string };
    expect((await owner.api.workspaces.merge({ params: merge_params })).data).toEqual(merge);
    expect(
      (await owner.api.workspaces.mergeConflicts({ params: merge_params })).data.conflicts,
    ).toEqual([]);
  });

  test("json finds conflicts of the data that git's lines hide", async () => {
    const lines = await diverged(hidden, []);
    const { driver_files, status } = await mergeIntoBase(owner, lines.workspace);
    expect([status, driver_files]).toEqual(["clean", []]);
    // The lines of both sides repeat a key.
    expect((await show(lines.project, "x.json")).match(/"n"/g)).toHaveLength(2);

    const { project, workspace, params } = await diverged(hidden, jsonDrivers);
    const reason = 'json: both sides changed "k › n".';
    const { data: preview } = await owner.api.previews.create({ params, body: { act: "merge" } });
    const { data: seen } = await owner.api.workspaces.previewConflicts({ params });
    const byHand = { act: "merge", strategy: "manual" } as const;
    const { data: open } = await owner.api.previews.create({ params, body: byHand });
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge.driver_files).toEqual([
      { path: "x.json", driver: "json", result: "conflict", reason },
    ]);
    expect(merge.resolutions).toMatchObject([
      { paths: ["x.json"], kind: "modify/modify", winner: "source" },
    ]);
    const rule = merge.resolutions[0]?.rule as string;
    expect(rule).toContain(`${reason} newest_file_wins: `);
    expect(await show(project, "x.json")).toBe(hidden.source["x.json"]);
    expect(preview.conflicts.map(({ paths, decision }) => [paths, decision?.rule])).toEqual([
      [["x.json"], rule],
    ]);
    expect(preview.driver_files).toEqual(merge.driver_files);
    expect(open.conflicts.map(({ paths, decision }) => [paths, decision])).toEqual([
      [["x.json"], null],
    ]);
    expect(seen.conflicts.map(({ paths, merged }) => [paths, merged])).toEqual([
      [["x.json"], null],
    ]);
  });

  test("without a sandbox, regenerate leaves a conflict that says so", async () => {
    const { project, workspace } = await diverged(lockSides, [regenerateBy(listDeps)]);
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge.driver_files).toMatchObject([
      {
        result: "conflict",
        reason: "It could not be started: This test has no sandbox.",
        run_id: null,
      },
    ]);
    expect(await show(project, "deps.lock")).toBe(lockSides.source["deps.lock"]);
  });

  test("a sync uses the drivers, too", async () => {
    const { project, workspace, params } = await diverged(
      {
        base: { "a.json": lock() },
        target: { "a.json": lock({ b1: "2.0.0" }) },
        source: { "a.json": lock({ b2: "3.0.0" }) },
      },
      jsonDrivers,
    );
    const { data: sync } = await owner.api.workspaces.sync({ params });
    expect(sync.driver_files.map(({ result }) => result)).toEqual(["merged"]);
    const branch = `${workspace.branch_name}:a.json`;
    expect(`${await gitInRepository(app, project, "show", branch)}\n`).toBe(
      lock({ b1: "2.0.0", b2: "3.0.0" }),
    );
  });

  test("files that are not merged as data say why", async () => {
    const { workspace } = await diverged(
      {
        base: { "bad.json": "{\n", "big.json": "[]\n", "deep.json": "[]\n" },
        target: {
          "bad.json": "{\n1\n",
          "big.json": `["${"x".repeat(8 * 1024 * 1024)}"]\n`,
          "deep.json": `${"[".repeat(100_000)}${"]".repeat(100_000)}\n`,
        },
        source: { "bad.json": "{\n2\n", "big.json": "[1]\n", "deep.json": "[1]\n" },
      },
      jsonDrivers,
    );
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge.driver_files.map(({ path, result, reason }) => [path, result, reason])).toEqual([
      ["bad.json", "lines", "It is not valid JSON."],
      ["big.json", "lines", "It is larger than 8 MiB."],
      ["deep.json", "lines", "It is nested too deeply."],
    ]);
    expect(merge.resolutions.map(({ paths }) => paths)).toEqual([
      ["bad.json"],
      ["big.json"],
      ["deep.json"],
    ]);
  });

  test("the attributes of a branch have no effect", async () => {
    for (const attributes of ["* merge=union\n", "* merge=ours\n", "* binary\n", "* -merge\n"]) {
      const { project, workspace } = await diverged(
        {
          base: { a: "1\n2\n3\n4\n5\n6\n7\n8\n", b: "b\n", ".gitattributes": attributes },
          target: { a: "T\n2\n3\n4\n5\n6\n7\n8\n", b: "target\n" },
          source: { a: "1\n2\n3\n4\n5\n6\n7\nS\n", b: "source\n" },
        },
        [],
      );
      const merge = await mergeIntoBase(owner, workspace);
      expect(merge.resolutions.map(({ paths, kind }) => [paths, kind])).toEqual([
        [["b"], "modify/modify"],
      ]);
      expect(await show(project, "a")).toBe("T\n2\n3\n4\n5\n6\n7\nS\n");
      expect(await show(project, "b")).toBe("source\n");
    }
  });

  test("the radar predicts with the drivers, also after they change", async () => {
    const { project, params } = await diverged(
      {
        base: { "a.json": lock(), ...hidden.base },
        target: { "a.json": lock({ b1: "2.0.0" }), ...hidden.target },
        source: { "a.json": lock({ b2: "3.0.0" }), ...hidden.source },
      },
      jsonDrivers,
    );
    const predicted = async (): Promise<string[][]> => {
      await expect
        .poll(async () => (await owner.api.radar.workspace({ params })).data.is_current)
        .toBe(true);
      const { pairs } = (await owner.api.radar.workspace({ params })).data;
      return pairs.flatMap(({ conflicts }) => conflicts.map(({ paths }) => paths));
    };
    expect(await predicted()).toEqual([["x.json"]]);
    await setDrivers(owner, project, []);
    expect(await predicted()).toEqual([["a.json"]]);
    await setDrivers(owner, project, [{ pattern: "*.json", driver: "union" }]);
    expect(await predicted()).toEqual([]);
  });
});
