import { v7 } from "uuid";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Problem } from "#shared/errors.js";
import type { EgressReport, RunnerJob } from "#shared/execution/runner/protocol.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { deniedTotal } from "#test/support/http/scrape.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import {
  ofRun,
  registerRunner,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

describe("the connections of a run on a runner", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let runner: ScriptedRunner;
  let job: RunnerJob;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    runner = await registerRunner(app, { orgId: org.id });
    const project = await makeProject(owner, org.id);
    await startRemote(owner, (await makeRemote(owner, project.id)).agent, {
      network: "restricted",
      allowed_hosts: ["example.com"],
    });
    job = await runner.take();
  });

  const connection = (host: string): EgressReport["connections"][number] => ({
    id: v7(),
    host,
    port: 443,
    decision: "allowed",
    reason: null,
    at: "2026-01-02T03:04:05.678Z",
    bytes_sent: 1,
    bytes_received: 2,
  });
  const report = (body: unknown, by = runner) =>
    by.send<Problem>("POST", ofRun(job.run_id, "egress"), { body });
  const params = () => ({ run_id: job.run_id });
  const run = async (): Promise<Run> => (await owner.api.runs.get({ params: params() })).data;
  const hosts = async () =>
    (await owner.api.runs.egress({ params: params(), query: {} })).data.map(({ host }) => host);

  test("are listed and counted once for each report", async () => {
    expect(job).toMatchObject({ network: "restricted", allowed_hosts: ["example.com"] });
    const first = { batch: 1, allowed: 1, denied: 2, connections: [connection("one.example.com")] };
    const second = {
      batch: 2,
      allowed: 3,
      denied: 0,
      connections: [connection("two.example.com")],
    };
    const before = await deniedTotal(app);
    const sent = [first, first, second, first, second];
    for (const body of sent) expect((await report(body)).status).toBe(204);
    await Promise.all(Array.from({ length: 5 }, () => report({ ...second, batch: 3 })));
    expect((await run()).egress).toEqual({ allowed: 7, denied: 2 });
    expect((await deniedTotal(app)) - before).toBe(2);
    expect(await hosts()).toEqual(["one.example.com", "two.example.com"]);
  });

  test("are listed up to a limit, and in large reports", async () => {
    for (const batch of [1, 2]) {
      const connections = Array.from({ length: 600 }, () => ({
        ...connection("x".repeat(1000)),
        decision: "denied" as const,
        reason: "y".repeat(1000),
      }));
      expect((await report({ batch, allowed: 0, denied: 600, connections })).status).toBe(204);
    }
    expect((await run()).egress.denied).toBe(1200);
    let listed = 0;
    let cursor: string | undefined;
    do {
      const { data, headers } = await owner.api.runs.egress({
        params: params(),
        query: { limit: 200, ...(cursor !== undefined && { cursor }) },
      });
      listed += data.length;
      cursor = /[?&]cursor=([^&>]+)/.exec(headers.get("link") ?? "")?.[1];
    } while (cursor !== undefined);
    expect(listed).toBe(1000);
  });

  test("are refused in another form, of another runner, and after the end", async () => {
    const good = { batch: 1, allowed: 0, denied: 0, connections: [] };
    for (const [body, status] of [
      [{ ...good, batch: 0 }, 422],
      [{ ...good, more: 1 }, 422],
      [{ ...good, connections: [{ ...connection("\u0000") }] }, 422],
      [[], 422],
    ] as const) {
      expect((await report(body)).status).toBe(status);
    }
    const text = { body: Buffer.from("{"), type: "application/json" };
    expect((await runner.send("POST", ofRun(job.run_id, "egress"), text)).status).toBe(400);
    expect((await report(good, await registerRunner(app))).status).toBe(404);
    await runner.end(job.run_id);
    const late = await report(good);
    expect([late.status, late.body.code]).toEqual([409, "run_ended"]);
  });
});
