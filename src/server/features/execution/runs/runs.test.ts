import { randomUUID } from "node:crypto";
import pg from "pg";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, send } from "#test/support/http/raw-request.js";
import { endLostRuns } from "./runs.queries.js";

describe("leased runs", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
  });

  const start = async (agent_id: string) =>
    (await owner.api.runs.create({ params: { agent_id }, body: { external: true } })).data;
  const newRun = async () => start((await makeAgent(owner, project.id)).id);
  const usage = async () => (await owner.api.usage.get({ params: { org_id: org.id } })).data;
  const limit = (body: { max_concurrent_agents?: number; max_agent_runtime_hours?: number }) =>
    owner.api.organizations.update({ params: { org_id: org.id }, body });
  const statusOf = async (agent_id: string) =>
    (await owner.api.agents.get({ params: { agent_id } })).data.status;

  test("a run starts, is kept alive by heartbeats and is stopped", async () => {
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    const created = await owner.api.runs.create({ params, body: { external: true } });
    expect(created.status).toBe(201);
    const run = created.data;
    expect(run).toEqual({
      id: expect.any(String) as string,
      agent_id: agent.id,
      kind: "leased",
      status: "running",
      exit_code: null,
      started_at: expect.any(String) as string,
      ended_at: null,
      runtime_seconds: expect.any(Number) as number,
      lease_expires_at: expect.any(String) as string,
      created_at: run.started_at,
      started_by: { type: "user", id: owner.id, name: "owner" },
      stop_requested: false,
      detail: null,
      command: null,
      preset: null,
      runner_labels: null,
      runner: null,
      session_id: null,
      prompt: null,
      model: null,
      result: null,
      network: null,
      allowed_hosts: null,
      egress: { allowed: 0, denied: 0 },
      model_usage: null,
      timeout_seconds: null,
      env_names: [],
      limits: null,
      peak_memory_bytes: null,
      cpu_seconds: null,
      queue_position: null,
      output: { bytes: 0, truncated: false },
      repository: null,
      checkpoint: null,
    });
    const lease = Date.parse(run.lease_expires_at as string);
    expect(lease - Date.parse(run.started_at as string)).toBe(60_000);
    expect(await statusOf(agent.id)).toBe("running");

    const at = { run_id: run.id };
    await queryAsOwner(
      app,
      "update runs set lease_expires_at = now() + interval '1 second' where id = $1",
      [run.id],
    );
    const { data: beat } = await owner.api.runs.heartbeat({ params: at });
    expect(Date.parse(beat.lease_expires_at as string)).toBeGreaterThan(Date.now() + 50_000);

    const stopped = await owner.api.runs.stop({ params: at, body: { status: "succeeded" } });
    expect(stopped.status).toBe(200);
    expect(stopped.data).toMatchObject({ status: "succeeded", lease_expires_at: null });
    expect(stopped.data.ended_at).not.toBeNull();
    expect(await statusOf(agent.id)).toBe("idle");
    expect((await owner.api.runs.get({ params: at })).data).toEqual(stopped.data);
    await expectProblem(owner.api.runs.heartbeat({ params: at }), 409, "run_ended");
    // A finished run no longer changes.
    const again = await owner.api.runs.stop({ params: at, body: { status: "failed" } });
    expect(again.data).toEqual(stopped.data);
  });

  test("the audit log has the start and the stop of a run, once each", async () => {
    const agent = await makeAgent(owner, project.id);
    const run = await start(agent.id);
    await expectProblem(start(agent.id), 409, "run_in_progress");
    const params = { run_id: run.id };
    await owner.api.runs.stop({ params, body: { status: "succeeded" } });
    await owner.api.runs.stop({ params });
    const { data } = await owner.api.audit.list({ params: { org_id: org.id }, query: {} });
    const events = data.filter(({ action }) => action.startsWith("run."));
    const ofRun = {
      actor: { type: "user", id: owner.id },
      target: { type: "agent", id: agent.id, name: agent.name },
      changes: { run_id: { from: null, to: run.id } },
    };
    expect(events).toMatchObject([
      { action: "run.stopped", ...ofRun },
      { action: "run.started", ...ofRun },
    ]);
  });

  test.each(["succeeded", "failed", "stopped", undefined] as const)(
    "a stop sets the status: %s",
    async (status) => {
      const run = await newRun();
      const params = { run_id: run.id };
      const { data } = await owner.api.runs.stop(
        status === undefined ? { params } : { params, body: { status } },
      );
      expect(data.status).toBe(status ?? "stopped");
    },
  );

  test("a run that waited for its slot begins after the run that had it, with its whole lease", async () => {
    await limit({ max_concurrent_agents: 1 });
    const [first, second] = [
      await makeAgent(owner, project.id),
      await makeAgent(owner, project.id),
    ];
    const { id: run_id } = await start(first.id);
    const client = new pg.Client(app.owner);
    await client.connect();
    const waiting = (count: number) =>
      expect
        .poll(async () => {
          const { rows } = await client.query<{ count: number }>(
            `select count(*)::int from pg_locks where locktype = 'advisory' and not granted
              and database = (select oid from pg_database where datname = current_database())`,
          );
          return rows[0]?.count;
        })
        .toBe(count);
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
      `organization ${org.id}`,
    ]);
    const stopped = owner.api.runs.stop({ params: { run_id } });
    await waiting(1);
    const started = start(second.id);
    await waiting(2);
    const { rows } = await client.query<{ now: Date }>("select clock_timestamp() as now");
    await client.query("commit");
    await client.end();
    const [{ data: ended }, run] = await Promise.all([stopped, started]);
    const at = (time: string | null | undefined): number => Date.parse(String(time));
    expect(at(run.started_at)).toBeGreaterThanOrEqual(Number(rows[0]?.now));
    expect(at(run.started_at)).toBeGreaterThanOrEqual(at(ended.ended_at));
    expect(at(run.lease_expires_at) - at(run.started_at)).toBe(60_000);
  });

  test("an agent has one run at a time, also if ten start at once", async () => {
    const agent = await makeAgent(owner, project.id);
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => start(agent.id)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expectProblem(start(agent.id), 409, "run_in_progress");
    const params = { agent_id: agent.id };
    const { data } = await owner.api.runs.list({ params, query: {} });
    expect(data).toHaveLength(1);
  });

  test("hours are the sum of the intervals within the month, to four decimals", async () => {
    const { period_start } = await usage();
    const run = async (from: string, to: string | null) => {
      const { id } = await newRun();
      await queryAsOwner(
        app,
        `update runs set started_at = $2::timestamptz + $3::interval, status = 'stopped',
           ended_at = $2::timestamptz + $4::interval, lease_expires_at = null where id = $1`,
        [id, period_start, from, to],
      );
    };
    await run("0", "1 hour");
    await run("0", "1.5 hours");
    await run("10 seconds", "10.36 seconds");
    // Begins in the previous month; only the half in this month counts.
    await run("-1 hour", "30 minutes");
    await run("-3 hours", "-2 hours");
    expect((await usage()).runtime_hours).toEqual({ current: 3.0001, limit: 100 });
  });

  test("beyond the hours no run starts, and the error states the excess", async () => {
    const { id } = await newRun();
    const { period_start } = await usage();
    await queryAsOwner(
      app,
      `update runs set started_at = $2::timestamptz, status = 'stopped',
         ended_at = $2::timestamptz + interval '2 hours', lease_expires_at = null where id = $1`,
      [id, period_start],
    );
    await limit({ max_agent_runtime_hours: 2.0001 });
    const run = await newRun();
    await owner.api.runs.stop({ params: { run_id: run.id } });
    await limit({ max_agent_runtime_hours: 2 });
    const problem = await expectProblem(newRun(), 409, "quota_exceeded");
    expect(problem).toMatchObject({ quota: "max_agent_runtime_hours", limit: 2 });
    expect(problem["current"]).toBeGreaterThanOrEqual(2);
    await limit({ max_agent_runtime_hours: 0 });
    await expectProblem(newRun(), 409, "quota_exceeded");
  });

  test("an expired lease makes the run lost, counted to its last heartbeat", async () => {
    const agent = await makeAgent(owner, project.id);
    const lost = await start(agent.id);
    const alive = await newRun();
    const { period_start } = await usage();
    await queryAsOwner(
      app,
      `update runs set started_at = $2::timestamptz, lease_expires_at = now() - interval '1 second',
         last_heartbeat_at = $2::timestamptz + interval '6 minutes' where id = $1`,
      [lost.id, period_start],
    );
    const params = { run_id: lost.id };
    // The loss is not recorded yet, but the heartbeat is already too late.
    await expectProblem(owner.api.runs.heartbeat({ params }), 409, "run_ended");
    await app.db.withSystem("notice it now", (tx) => endLostRuns(tx, app.db.node.id));
    const { data } = await owner.api.runs.get({ params });
    expect(data).toMatchObject({
      status: "lost",
      ended_at: new Date(Date.parse(period_start) + 6 * 60_000).toISOString(),
      runtime_seconds: 360,
      lease_expires_at: null,
    });
    const problem = await expectProblem(owner.api.runs.heartbeat({ params }), 409, "run_ended");
    expect(problem["run_status"]).toBe("lost");
    expect(await statusOf(agent.id)).toBe("idle");
    const { data: other } = await owner.api.runs.get({ params: { run_id: alive.id } });
    expect(other.status).toBe("running");
    expect((await start(agent.id)).status).toBe("running");
    await owner.api.runs.stop({ params: { run_id: alive.id } });
  });

  test("are listed newest first, in pages and only for the given agent", async () => {
    const agent = await makeAgent(owner, project.id);
    await newRun();
    const ids: string[] = [];
    for (let number = 0; number < 3; number += 1) {
      const { id } = await start(agent.id);
      await owner.api.runs.stop({ params: { run_id: id } });
      ids.unshift(id);
    }
    const path = `/api/v1/agents/${agent.id}/runs?limit=2`;
    const first = await send(app, "GET", path, { token: owner.token });
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] as string;
    const second = await send(app, "GET", next, { token: owner.token });
    const seen = [first, second].flatMap(({ text }) => JSON.parse(text) as { id: string }[]);
    expect(seen.map(({ id }) => id)).toEqual(ids);
    const bad = await send(app, "GET", `${path}&cursor=x`, { token: owner.token });
    expect([bad.status, fieldsOf(JSON.parse(bad.text))]).toEqual([422, ["query.cursor"]]);
    const old = await send(app, "GET", `${path}&order=oldest`, { token: owner.token });
    const rest = /<([^>]+)>/.exec(old.headers.get("link") ?? "")?.[1] as string;
    const older = await send(app, "GET", rest, { token: owner.token });
    const oldest = [old, older].flatMap(({ text }) => JSON.parse(text) as { id: string }[]);
    expect(oldest.map(({ id }) => id)).toEqual(ids.toReversed());
    // The filter by status also applies to the second page.
    const { id } = await start(agent.id);
    const of = (status: string, more = "") =>
      send(app, "GET", `${path}&status=${status}${more}`, { token: owner.token });
    expect(
      (JSON.parse((await of("running")).text) as { id: string }[]).map((item) => item.id),
    ).toEqual([id]);
    const page = await of("stopped", "&order=oldest");
    const onward = /<([^>]+)>/.exec(page.headers.get("link") ?? "")?.[1] as string;
    const last = await send(app, "GET", onward, { token: owner.token });
    const stopped = [page, last].flatMap(({ text }) => JSON.parse(text) as { id: string }[]);
    expect(stopped.map((item) => item.id)).toEqual(ids.toReversed());
    for (const [query, field] of [
      ["status=over", "query.status"],
      ["order=up", "query.order"],
    ]) {
      const wrong = await send(app, "GET", `${path}&${query}`, { token: owner.token });
      expect([wrong.status, fieldsOf(JSON.parse(wrong.text))]).toEqual([422, [field]]);
    }
    await owner.api.runs.stop({ params: { run_id: id } });
  });

  test("malformed and unknown runs are rejected", async () => {
    const agent = await makeAgent(owner, project.id);
    const post = (path: string, body: unknown) =>
      send(app, "POST", path, { token: owner.token, body });
    for (const [body, field] of [
      [{}, "body.command"],
      [{ external: false }, "body.external"],
      [{ external: true, command: ["ls"] }, "body.command"],
      [{ command: [] }, "body.command"],
      [{ command: ["a\u0000"] }, "body.command.0"],
      [{ command: ["ls"], env: { "A-B": "1" } }, "body.env.A-B"],
      [{ command: ["ls"], env: { OMOI_URL: "1" } }, "body.env.OMOI_URL"],
      [{ command: ["ls"], network: "some" }, "body.network"],
      [{ command: ["ls"], timeout_seconds: 0 }, "body.timeout_seconds"],
    ] as const) {
      const answer = await post(`/api/v1/agents/${agent.id}/runs`, body);
      expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([422, [field]]);
    }
    const { id } = await start(agent.id);
    const stop = await post(`/api/v1/runs/${id}/stop`, { status: "lost" });
    expect([stop.status, fieldsOf(JSON.parse(stop.text))]).toEqual([422, ["body.status"]]);
    const { runs } = owner.api;
    for (const run_id of [randomUUID(), "x"]) {
      const params = { run_id };
      await expectProblem(runs.get({ params }), 404, "not_found");
      await expectProblem(runs.heartbeat({ params }), 404, "not_found");
      await expectProblem(runs.stop({ params }), 404, "not_found");
    }
    const params = { agent_id: randomUUID() };
    await expectProblem(runs.list({ params, query: {} }), 404, "not_found");
    await expectProblem(runs.create({ params, body: { external: true } }), 404, "not_found");
    await queryAsOwner(app, "update agents set terminated_at = now() where id = $1", [agent.id]);
    await expectProblem(start(agent.id), 404, "not_found");
  });
});
