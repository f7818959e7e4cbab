import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Merge } from "#shared/api/code/merges.js";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  makeOrganization,
  makeWorkspace,
  mergeIntoBase,
  commitFiles,
} from "#test/support/fixtures/factories.js";
import {
  hidden,
  jsonDrivers,
  lock,
  makeDiverged,
  setDrivers,
} from "#test/support/fixtures/merge-drivers.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { storageIn } from "../../../../data-folder/storage.js";
import { verifyMerges } from "./verify-merges.js";

/** Two files: one whose data merge, and one whose data conflict. */
const both = {
  base: { "a.json": lock(), ...hidden.base },
  target: { "a.json": lock({ b1: "2.0.0" }), ...hidden.target },
  source: { "a.json": lock({ b2: "3.0.0" }), ...hidden.source },
};

describe("a merge with drivers", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());

  const show = async (project: Project, path: string) =>
    `${await gitInRepository(app, project, "show", `main:${path}`)}\n`;
  const faults = async () => {
    const reports = await app.db.withSystem("verify merges", (db) =>
      verifyMerges(db, storageIn(app.dataDir), app.db.node.id),
    );
    return reports.flatMap((report) => report.faults);
  };
  const setRecorded = (merge: Merge, drivers: unknown) =>
    queryAsOwner(app, "update merges set drivers = $2 where id = $1", [
      merge.id,
      drivers === null ? null : JSON.stringify(drivers),
    ]);

  test("is recomputed and restored with the drivers of its time", async () => {
    const { project, workspace, params } = await makeDiverged(owner, orgId, both, jsonDrivers);
    const merge = await mergeIntoBase(owner, workspace);
    await setDrivers(owner, project, [{ pattern: "**", driver: "union" }]);
    expect(await faults()).toEqual([]);
    const mergeParams = { ...params, merge_id: merge.id as string };
    const { data: conflicts } = await owner.api.workspaces.mergeConflicts({ params: mergeParams });
    expect(conflicts.conflicts.map(({ paths }) => paths)).toEqual([["x.json"]]);

    const body = { paths: ["x.json"] };
    const restored = (await owner.api.workspaces.restoreVersion({ params: mergeParams, body }))
      .data;
    expect(restored.status).toBe("clean");
    expect(await show(project, "x.json")).toBe(hidden.target["x.json"]);
    expect(await show(project, "a.json")).toBe(lock({ b1: "2.0.0", b2: "3.0.0" }));
  });

  test("is reverted, and a later change of the same file stays", async () => {
    const { project, workspace, params } = await makeDiverged(owner, orgId, both, jsonDrivers);
    const merge = await mergeIntoBase(owner, workspace);
    // A later change of the same file stays when the merge is reverted.
    await setDrivers(owner, project, jsonDrivers);
    const { workspace: later } = await makeWorkspace(owner, project.id);
    const changed = lock({ b1: "2.0.0", b2: "3.0.0", b3: "4.0.0" });
    await commitFiles(owner, later, { "a.json": changed });
    await mergeIntoBase(owner, later);
    const { data: reverted } = await owner.api.workspaces.revertMerge({
      params: { ...params, merge_id: merge.id as string },
      body: { strategy: "target_wins" },
    });
    expect(reverted.driver_files).toEqual([
      { path: "a.json", driver: "json", result: "merged", reason: null },
    ]);
    expect(await show(project, "a.json")).toBe(lock({ b1: "2.0.0", b3: "4.0.0" }));
    expect(await faults()).toEqual([]);
  });

  test("is verified by its recorded drivers, not by those of the project", async () => {
    const { workspace } = await makeDiverged(owner, orgId, both, jsonDrivers);
    const merge = await mergeIntoBase(owner, workspace);
    for (const drivers of [
      { version: 1, drivers: [], lines: [] },
      { version: 1, drivers: jsonDrivers, lines: ["a.json"] },
      { version: 2, drivers: jsonDrivers, lines: [] },
    ]) {
      await setRecorded(merge, drivers);
      expect((await faults()).map(({ id }) => id)).toEqual([merge.id]);
    }
    await setRecorded(merge, { version: 1, drivers: jsonDrivers, lines: [] });
    expect(await faults()).toEqual([]);
  });

  test("whose conflict is resolved by hand is recomputed", async () => {
    const { project, params } = await makeDiverged(owner, orgId, hidden, jsonDrivers);
    const content = '{"by": "hand"}\n';
    const resolutions = [{ path: "x.json", content }];
    await owner.api.workspaces.createMerge({ params, body: { resolutions } });
    expect(await show(project, "x.json")).toBe(content);
    expect(await faults()).toEqual([]);
  });

  test("from before drivers is recomputed with the attributes of its target", async () => {
    const { workspace } = await makeDiverged(
      owner,
      orgId,
      {
        base: { b: "b\n", ".gitattributes": "* merge=union\n" },
        target: { b: "target\n" },
        source: { b: "source\n" },
      },
      [],
    );
    const merge = await mergeIntoBase(owner, workspace);
    await setRecorded(merge, null);
    // With the attribute, the lines of both sides would have been kept.
    expect((await faults()).map(({ id }) => id)).toEqual([merge.id]);
    await setRecorded(merge, { version: 1, drivers: [], lines: [] });
    expect(await faults()).toEqual([]);
  });
});
