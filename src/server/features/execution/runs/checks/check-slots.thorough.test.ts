import { afterAll, beforeAll, expect, test } from "vitest";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { shell } from "#test/support/fixtures/runs.js";

/** One place for checks, for which organizations take turns. */
let app: TestApp;
let owner: TestPerson;
beforeAll(async () => {
  app = await startTestApp({ OMOI_CHECKS_AT_ONCE: "1" }, "real");
  owner = await app.person("Ada");
});
afterAll(() => app.close());

/** Queues one merge in each of several new projects of an organization. */
async function queueIn(orgId: string, count: number, script: string): Promise<MergeRequest[]> {
  const requests: MergeRequest[] = [];
  for (let nth = 1; nth <= count; nth += 1) {
    const project = await makeProjectWith(owner, orgId, { "a.txt": "a\n" });
    const params = { project_id: project.id };
    await owner.api.mergeQueue.setCheck({
      params: { ...params, name: "test" },
      body: { command: shell(script) },
    });
    const protected_branches = [{ pattern: "main", checks: ["test"] }];
    await owner.api.projects.update({ params, body: { protected_branches } });
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "b.txt": "b\n" });
    const { data } = await owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { queue: true },
    });
    requests.push(data);
  }
  return requests;
}

const rows = () =>
  queryAsOwner<{ org_id: string; status: string }>(
    app,
    "select c.org_id, c.status from commit_checks c join runs r on r.id = c.run_id order by r.started_at",
  );

test("an organization with many checks does not hold up another one", async () => {
  const many = (await makeOrganization(owner)).id;
  const few = (await makeOrganization(owner)).id;
  const requests = await queueIn(many, 4, "sleep 3");
  requests.push(...(await queueIn(few, 1, "true")));
  for (const request of requests) {
    expect((await waitForRequest(owner, request.id)).status).toBe("merged");
  }
  const order = (await rows()).map(({ org_id }) => org_id);
  // Its only check started before the last one of the other, although it was queued last.
  expect(order.indexOf(few)).toBeLessThan(order.length - 1);
  // Checks count to the hours, and not as agents at work.
  const { data: usage } = await owner.api.usage.get({ params: { org_id: many } });
  expect(usage.concurrent_agents.current).toBe(0);
  expect(usage.runtime_hours.current).toBeGreaterThan(0);
  const period = new Date().toISOString().slice(0, 7);
  const { data: statement } = await owner.api.usage.statement({ params: { org_id: many, period } });
  expect(statement).toMatchObject({ runs: 0, peak_concurrent_agents: 0 });
});

test("at most one check runs at a time", async () => {
  const orgId = (await makeOrganization(owner)).id;
  const requests = await queueIn(orgId, 3, "sleep 0.5");
  for (const request of requests) await waitForRequest(owner, request.id);
  const overlaps = await queryAsOwner(
    app,
    `select from runs one join runs other on one.id < other.id and one.kind = 'check'
       and other.kind = 'check'
       and (one.started_at, one.exited_at) overlaps (other.started_at, other.exited_at)`,
  );
  expect(overlaps).toEqual([]);
});

test("checks wait while the organization has no hours", async () => {
  const org = await makeOrganization(owner);
  await queryAsOwner(app, "update organizations set max_agent_runtime_hours = 0 where id = $1", [
    org.id,
  ]);
  const [request] = await queueIn(org.id, 1, "true");
  const { id } = request as MergeRequest;
  const params = { merge_request_id: id };
  await expect
    .poll(async () => (await owner.api.mergeQueue.get({ params })).data.checks[0]?.detail)
    .toBe("Waiting: the organization's 0 hours of this month are used up.");
  await queryAsOwner(app, "update organizations set max_agent_runtime_hours = 10 where id = $1", [
    org.id,
  ]);
  expect((await waitForRequest(owner, id)).status).toBe("merged");
});
