import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { describeEachDriver } from "#test/support/git/folder-drivers.js";
import { storageIn } from "#server/data-folder/storage.js";
import { queryAsOwner } from "#test/support/database/queries.js";

const MiB = 1024 * 1024;

describeEachDriver("disk usage", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_FOLDER_DRIVER: driver });
    owner = await app.person("owner");
  });
  afterAll(() => app.close());

  /** Makes all figures an hour old. */
  const age = async (): Promise<void> => {
    for (const table of ["workspace_disk_usage", "repository_disk_usage"]) {
      await queryAsOwner(app, `update ${table} set measured_at = now() - interval '1 hour'`, []);
    }
  };

  test("is measured per workspace, and again when stale", async () => {
    const project = await makeProject(owner, (await makeOrganization(owner)).id);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    expect([workspace.folder_driver, workspace.disk]).toEqual([driver, null]);
    const read = async () => (await owner.api.workspaces.get({ params })).data.disk;
    const before = await read();
    expect(before?.bytes).toBeLessThan(MiB / 4);
    await writeFiles(workspace, { "a.bin": randomBytes(MiB).toString("latin1") });
    expect(await read()).toEqual(before);
    await age();
    const after = await read();
    expect(after?.bytes).toBeGreaterThan(MiB);
    expect(Date.parse(after?.measured_at ?? "")).toBeGreaterThan(Date.now() - 60_000);
    await owner.api.workspaces.archive({ params });
    const { data: archived } = await owner.api.workspaces.get({ params });
    expect([archived.folder_driver, archived.disk]).toEqual([null, null]);
  });

  test("of one workspace that cannot be measured does not hold up the others", async () => {
    const project = await makeProject(owner, (await makeOrganization(owner)).id);
    const [broken, sound] = [
      (await makeWorkspace(owner, project.id)).workspace,
      (await makeWorkspace(owner, project.id)).workspace,
    ];
    const usage = async () => {
      const params = { org_id: project.organization_id };
      return (await owner.api.usage.disk({ params })).data.workspaces_bytes;
    };
    const before = await usage();
    // A home that is no folder.
    const home = storageIn(app.dataDir).home(project.organization_id, broken.agent_id);
    await mkdir(dirname(home), { recursive: true });
    await rm(home, { recursive: true, force: true });
    await writeFile(home, "");
    await writeFiles(sound, { "a.bin": randomBytes(2 * MiB).toString("latin1") });
    await age();
    // The broken one comes first.
    await queryAsOwner(
      app,
      "update workspace_disk_usage set measured_at = now() - interval '2 hours' where agent_id = $1",
      [broken.agent_id],
    );
    await expect.poll(usage).toBeGreaterThan(before + 2 * MiB);
    const { data } = await owner.api.workspaces.get({ params: { agent_id: broken.agent_id } });
    expect(Date.parse(data.disk?.measured_at ?? "")).toBeLessThan(Date.now() - 60 * 60_000);
    await rm(home);
  });

  test("is summed up per organization and project", async () => {
    const organization = await makeOrganization(owner);
    const params = { org_id: organization.id };
    const nothing = { workspaces_bytes: 0, repositories_bytes: 0, layers_bytes: 0 };
    expect((await owner.api.usage.disk({ params })).data).toEqual({
      ...nothing,
      measured_at: null,
      projects: [],
    });
    const [small, big] = [
      await makeProject(owner, organization.id),
      await makeProject(owner, organization.id),
    ];
    await makeWorkspace(owner, small.id);
    const { workspace } = await makeWorkspace(owner, big.id);
    await writeFiles(workspace, { "a.bin": randomBytes(2 * MiB).toString("latin1") });
    await mergeIntoBase(owner, workspace);
    await age();
    const { data } = await owner.api.usage.disk({ params });
    expect(data.projects.map(({ project_id }) => project_id)).toEqual([big.id, small.id]);
    expect(data.projects[0]?.workspaces_bytes).toBeGreaterThan(2 * MiB);
    expect(data.projects[0]?.repositories_bytes).toBeGreaterThan(2 * MiB);
    expect(data.layers_bytes > 0).toBe(driver === "overlay");
    for (const key of ["workspaces_bytes", "repositories_bytes", "layers_bytes"] as const) {
      expect(data[key]).toBe(data.projects.reduce((sum, row) => sum + row[key], 0));
    }
    const stranger = await app.person("stranger");
    await expectProblem(stranger.api.usage.disk({ params }), 404, "not_found");
  });
});
