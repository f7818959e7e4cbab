import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import fastify from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openCallbackListener } from "../http/server/callback-listener.js";
import { sendProblem } from "../http/answers/problem.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { send } from "#test/support/http/raw-request.js";
import type { RouteOptions } from "../http/register-routes.js";
import { createMetrics } from "./metrics.js";
import { metricsRoutes } from "./routes.js";

const token = "0123456789abcdef-metrics";
let app: TestApp;
let owner: TestPerson;
beforeAll(async () => {
  app = await startTestApp({ OMOI_METRICS_TOKEN: token, OMOI_TRUSTED_PROXIES: "127.0.0.1" });
  owner = await app.person("owner");
});
afterAll(() => app.close());

const read = async (): Promise<string> => (await send(app, "GET", "/metrics")).text;

/** Returns the value of a sample by name and labels; undefined if missing. */
function valueOf(text: string, sample: string): number | undefined {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}

const contractMetrics = [
  "http_request_duration_seconds",
  "omoi_runs",
  "omoi_runs_started_total",
  "omoi_run_queue_length",
  "omoi_run_queue_wait_seconds",
  "omoi_merges_total",
  "omoi_merge_duration_seconds",
  "omoi_checkpoint_duration_seconds",
  "omoi_git_command_duration_seconds",
  "omoi_event_streams",
  "omoi_jobs",
  "omoi_database_pool",
  "omoi_disk_bytes",
  "omoi_egress_denied_total",
];

test("all documented metrics and Node's own are present in Prometheus text format", async () => {
  const answer = await send(app, "GET", "/metrics");
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const named = [...answer.text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
  expect(named).toEqual(expect.arrayContaining(contractMetrics));
  expect(named).toContain("nodejs_eventloop_lag_seconds");
  expect(new Set(named).size).toBe(named.length);
});

test("completed operations are counted", async () => {
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  const { workspace } = await makeWorkspace(owner, project.id);
  const agent = await makeAgent(owner, project.id);
  const before = await read();
  const grown = async (sample: string): Promise<number> =>
    (valueOf(await read(), sample) ?? 0) - (valueOf(before, sample) ?? 0);
  await commitFiles(owner, workspace, { "a.txt": "a\n" });
  await mergeIntoBase(owner, workspace);
  await mergeIntoBase(owner, workspace);
  await owner.api.runs.create({ params: { agent_id: agent.id }, body: { external: true } });
  expect(await grown("omoi_checkpoint_duration_seconds_count")).toBe(1);
  const merges = 'omoi_merges_total{status="clean",strategy="newest_file_wins"}';
  expect(await grown(merges)).toBe(1);
  expect(await grown('omoi_merges_total{status="up_to_date",strategy="newest_file_wins"}')).toBe(1);
  expect(await grown("omoi_merge_duration_seconds_count")).toBe(2);
  expect(await grown("omoi_runs_started_total")).toBe(1);
  const route = "/api/v1/agents/:agent_id/workspace/merges";
  const requests = `http_request_duration_seconds_count{method="POST",route="${route}",status="201"}`;
  await expect.poll(() => grown(requests)).toBe(1);
  const text = await read();
  expect(text).toMatch(/^omoi_git_command_duration_seconds_count\{command="[a-z-]+"\} [1-9]/m);
  // Long-lived git processes are not counted as commands.
  expect(text).not.toMatch(/command="(cat-file|update-ref)"/);
  for (const name of [project.id, project.name, workspace.branch_name, owner.email, agent.id]) {
    expect(text).not.toContain(name);
  }
});

test("a rejected merge is counted as rejected", async () => {
  const before = valueOf(await read(), 'omoi_merges_total{status="rejected",strategy="unknown"}');
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  const { agent } = await makeWorkspace(owner, project.id);
  await owner.api.workspaces
    .createMerge({ params: { agent_id: agent.id }, body: { target_branch: "missing" } })
    .catch(() => {});
  const after = valueOf(await read(), 'omoi_merges_total{status="rejected",strategy="unknown"}');
  expect((after ?? 0) - (before ?? 0)).toBe(1);
});

test("hostile methods and paths add no labels", async () => {
  const series = async (): Promise<number> =>
    (await read())
      .split("\n")
      .filter((line) => line.startsWith("http_request_duration_seconds_count")).length;
  const raw = (method: string, path: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(app.url);
      const asked = httpRequest({ port, host: "127.0.0.1", method, path }, (answer) => {
        answer.resume().on("end", () => resolve(answer.statusCode));
      });
      asked.on("error", reject).end();
    });
  for (const method of ["PROPFIND", "PURGE", "M-SEARCH", "OPTIONS", "GET"])
    await raw(method, "/x0");
  await raw("GET", "/%zz0");
  await raw("GET", "/assets/missing-0.js");
  await raw("GET", "/git/missing-0/app.git/info/refs");
  await raw("GET", "/api/v1/projects/missing-0");
  await expect.poll(series).toBeGreaterThan(5);
  const before = await series();
  for (let i = 1; i <= 30; i += 1) {
    for (const method of ["PROPFIND", "REPORT", "LINK", "MKCOL"]) await raw(method, `/x${i}`);
    await raw("GET", `/x${i}?secret=${i}`);
    await raw("GET", `/%zz${i}`);
    await raw("GET", `/assets/missing-${i}.js`);
    await raw("GET", `/git/missing-${i}/app.git/info/refs`);
    await raw("GET", `/api/v1/projects/missing-${i}`);
  }
  expect((await series()) - before).toBeLessThanOrEqual(2);
  const text = await read();
  const methods = new Set([...text.matchAll(/method="([^"]*)"/g)].map(([, method]) => method));
  expect(
    [...methods].every((method) => /^[A-Z]+$/.test(method ?? "") && method !== "PROPFIND"),
  ).toBe(true);
  expect(text).not.toContain("missing-1");
});

test("only local callers and bearers of the token read them; others get 404", async () => {
  expect((await send(app, "GET", "/metrics")).status).toBe(200);
  const bearer = { authorization: `Bearer ${token}` };
  for (const [headers, status] of [
    // A local proxy forwards remote requests, regardless of its forwarding headers.
    [{ "x-forwarded-for": "203.0.113.9" }, 404],
    [{ "x-forwarded-for": "127.0.0.1" }, 404],
    [{ forwarded: "for=127.0.0.1" }, 404],
    [{ "x-real-ip": "127.0.0.1" }, 404],
    [{ "x-forwarded-for": "203.0.113.9", ...bearer }, 200],
    [{ "x-forwarded-for": "203.0.113.9", authorization: `Bearer ${token}x` }, 404],
    [{ "x-forwarded-for": "203.0.113.9", authorization: `Basic ${token}` }, 404],
    [{ "x-forwarded-for": "203.0.113.9", authorization: `Bearer ${owner.token}` }, 404],
  ] as const) {
    const answer = await send(app, "GET", "/metrics", { headers });
    expect([headers, answer.status]).toEqual([headers, status]);
    if (status === 404) expect(JSON.parse(answer.text)).toMatchObject({ code: "not_found" });
  }
});

test("a name that resolves to this machine is not sufficient", async () => {
  const { port } = new URL(app.url);
  const ask = async (host: string): Promise<number | undefined> => {
    const asked = httpRequest({
      port,
      host: "127.0.0.1",
      path: "/metrics",
      headers: { host },
    }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    answer.resume();
    return answer.statusCode;
  };
  expect(await ask(`localhost:${port}`)).toBe(200);
  expect(await ask(`[::1]:${port}`)).toBe(200);
  expect(await ask("omoi.example.com")).toBe(404);
});

test("a run that connects through a local port is not local", async () => {
  const served = fastify();
  served.decorate("publicUrl", () => "http://omoi.test");
  served.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  const metrics = createMetrics([]);
  metricsRoutes(metrics, null)(served, {} as RouteOptions);
  const url = await served.listen({ host: "127.0.0.1", port: 0 });
  const ofRun = await openCallbackListener(served.server, randomUUID());
  expect((await send({ url }, "GET", "/metrics")).status).toBe(200);
  const runs = { url: `http://127.0.0.1:${ofRun.port}` };
  expect((await send(runs, "GET", "/metrics")).status).toBe(404);
  ofRun.close();
  metrics.close();
  await served.close();
});

test("the version is available to all", async () => {
  const answer = await send(app, "GET", "/version", {
    headers: { "x-forwarded-for": "203.0.113.9" },
  });
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text)).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    commit: null,
    node: process.versions.node,
    git: expect.stringMatching(/^\d+\.\d+/),
    postgresql: expect.stringMatching(/^\d+\.\d+/),
  });
});
