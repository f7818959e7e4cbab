import { beforeAll, describe, expect, test } from "vitest";
import type { RowChange } from "../../../../db/cache/changes.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { clearMergeLeases } from "./merge-lease.js";
import { branchLock, workspaceLock } from "../workspace.js";

describe("a workspace during a merge", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });

  async function changed() {
    const project = await makeProject(owner, orgId);
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "a.txt": "a\n" });
    return { project_id: project.id, params: { agent_id: agent.id } };
  }

  /** Returns the status from the workspace and from the project's list. */
  async function statuses({ project_id, params }: Awaited<ReturnType<typeof changed>>) {
    const { data: one } = await owner.api.workspaces.get({ params });
    const { data: list } = await owner.api.workspaces.ofProject({
      params: { project_id },
      query: {},
    });
    return [one.status, ...list.map(({ status }) => status)];
  }

  test("is merging while the merge waits for its lock, and active afterwards", async () => {
    const it = await changed();
    const heard: RowChange[] = [];
    const unsubscribe = app.db.changes.subscribe((change) => change && heard.push(change));
    let merging: Promise<{ status: number }> | undefined;
    await app.db.locks(orgId, [branchLock(it.project_id, "main")], async () => {
      merging = owner.api.workspaces.createMerge({ params: it.params });
      await expect.poll(() => statuses(it)).toEqual(["merging", "merging"]);
      // Other calls still succeed.
      const { data: changes } = await owner.api.workspaces.changes({ params: it.params });
      expect(changes.files.map(({ path }) => path)).toEqual(["a.txt"]);
    });
    expect((await merging)?.status).toBe(201);
    expect(await statuses(it)).toEqual(["active", "active"]);
    const told = () => heard.filter(({ table }) => table === "merges_under_way").length;
    await expect.poll(told).toBe(2);
    unsubscribe();
  });

  test("is merging until the last of several merges ends, also if they are rejected", async () => {
    const it = await changed();
    await owner.api.workspaces.update({
      params: it.params,
      body: { settings: { auto_checkpoint: false } },
    });
    const requests: Promise<unknown>[] = [];
    await app.db.locks(orgId, [workspaceLock(it.params.agent_id)], async () => {
      requests.push(
        owner.api.workspaces.createMerge({ params: it.params }),
        owner.api.workspaces.sync({ params: it.params }),
        owner.api.workspaces.createMerge({
          params: it.params,
          body: { expected_source: "0".repeat(40) },
        }),
      );
      await expect.poll(() => rowsOf(it)).toBe(3);
      expect(await statuses(it)).toEqual(["merging", "merging"]);
    });
    const ends = await Promise.allSettled(requests);
    expect(ends.map(({ status }) => status)).toContain("rejected");
    expect(await rowsOf(it)).toBe(0);
    expect(await statuses(it)).toEqual(["active", "active"]);
  });

  async function rowsOf({ params }: Awaited<ReturnType<typeof changed>>): Promise<number> {
    const text = "select id from merges_under_way where agent_id = $1";
    return (await queryAsOwner(app, text, [params.agent_id])).length;
  }

  test("is active again after the merging process has died", async () => {
    const it = await changed();
    const begin = (until: string) =>
      queryAsOwner(
        app,
        `insert into merges_under_way (id, org_id, agent_id, until)
         values (gen_random_uuid(), $1, $2, now() + $3::interval)`,
        [orgId, it.params.agent_id, until],
      );
    await begin("-1 second");
    expect(await statuses(it)).toEqual(["active", "active"]);
    await begin("1 minute");
    expect(await statuses(it)).toEqual(["merging", "merging"]);
    // Another process may still be merging. A process that starts alone clears all leases.
    await clearMergeLeases(app.db, false);
    expect(await rowsOf(it)).toBe(1);
    await clearMergeLeases(app.db, true);
    expect(await rowsOf(it)).toBe(0);
    expect(await statuses(it)).toEqual(["active", "active"]);
  });
});
