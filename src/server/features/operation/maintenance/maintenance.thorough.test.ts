// Thorough: a restart, and a check that takes seconds.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import "#test/support/server/built-files.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

const message = "Moving to a new disk, back at 18:00 UTC.";

describe("maintenance", () => {
  let app: TestApp;
  let root: TestPerson;
  let ann: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
    root = await app.person("root");
    ann = await app.person("ann");
    org = await makeOrganization(ann);
  });
  afterEach(() => root.api.maintenance.end());
  afterAll(() => app.close());

  const begin = () => root.api.maintenance.start({ body: { message } });
  const rename = (by = ann.api) =>
    by.organizations.update({ params: { org_id: org.id }, body: { description: "changed" } });

  /** The jobs of a kind that wait. */
  const jobsOf = (name: string) =>
    queryAsOwner(app, "select from pgboss.job where name like $1 and state < 'active'", [
      `${name}.%`,
    ]);

  test("holds for every process at once, and after a restart", async () => {
    const sibling = await app.sibling();
    const there = sibling.client(ann.token);
    expect((await rename(there)).status).toBe(200);
    await begin();
    await expectProblem(rename(there), 503, "maintenance");
    await sibling.close();
    const restarted = await app.sibling();
    const again = restarted.client(ann.token);
    expect((await again.maintenance.status()).data.message).toBe(message);
    await expectProblem(rename(again), 503, "maintenance");
    await root.api.maintenance.end();
    expect((await rename(again)).status).toBe(200);
    await restarted.close();
  });

  test("records the end of a check, and lets its merge queue wait", async () => {
    const own = await makeProjectWith(ann, org.id, { "a.txt": "a\n" });
    const at = { project_id: own.id };
    // Long enough to run when the maintenance begins.
    const check = { command: ["sleep", "5"] };
    await ann.api.mergeQueue.setCheck({ params: { ...at, name: "slow" }, body: check });
    const protected_branches = [{ pattern: "main", checks: ["slow"] }];
    await ann.api.projects.update({ params: at, body: { protected_branches } });
    const { agent, workspace } = await makeWorkspace(ann, own.id);
    await commitFiles(ann, workspace, { "queued.txt": "queued\n" });
    const { data } = await ann.api.workspaces.createMerge({
      params: { agent_id: agent.id },
      body: { queue: true },
    });
    const params = { merge_request_id: data.id };
    const request = async () => (await ann.api.mergeQueue.get({ params })).data;
    const ofCheck = async () => (await request()).checks[0]?.status;
    await expect.poll(ofCheck).toBe("running");
    await begin();
    await expect.poll(ofCheck).toBe("passed");
    const waiting = () => jobsOf("advance-merge-queue");
    await expect.poll(async () => (await waiting()).length).toBeGreaterThan(0);
    expect((await request()).status).not.toBe("merged");
    await root.api.maintenance.end();
    await expect.poll(async () => (await request()).status).toBe("merged");
  });
});
