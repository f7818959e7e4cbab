import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeDataFolder } from "../support/server/data-folder.js";
import { makeOrganization, makeProject, makeWorkspace } from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code?: number };
  links: { spanId: string }[];
}

/** An OTLP receiver over HTTP with JSON bodies (opentelemetry.io/docs/specs/otlp, OTLP/HTTP). */
const spans: Span[] = [];
const metricNames = new Set<string>();
const services = new Set<string>();
let receiver: Server;
let server: ServerProcess;
let url: string;
let dataDir: string;
const password = "correct staple horse";
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      take(request.url ?? "", JSON.parse(text));
      response.setHeader("content-type", "application/json").end("{}");
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => receiver.once("listening", resolve));
  dataDir = await mkdtemp(join(tmpdir(), "omoi-telemetry-"));
  server = startServer({
    OMOI_DATA_DIR: dataDir,
    OMOI_LOG_LEVEL: "info",
    OMOI_SANDBOX: "off",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    OTEL_METRIC_EXPORT_INTERVAL: "500",
    OTEL_BSP_SCHEDULE_DELAY: "200",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
  });
  url = await server.ready;
});
afterAll(async () => {
  if (server.process.exitCode === null) server.process.kill("SIGKILL");
  receiver.close();
  await removeDataFolder(dataDir);
});

interface Received {
  resourceSpans?: { resource: Resource; scopeSpans: { spans: Span[] }[] }[];
  resourceMetrics?: { resource: Resource; scopeMetrics: { metrics: { name: string }[] }[] }[];
}
interface Resource {
  attributes: { key: string; value: { stringValue?: string } }[];
}

function take(path: string, received: Received): void {
  for (const { resource } of [
    ...(received.resourceSpans ?? []),
    ...(received.resourceMetrics ?? []),
  ]) {
    const found = resource.attributes.find(({ key }) => key === "service.name");
    services.add(found?.value.stringValue ?? "");
  }
  if (path === "/v1/traces") {
    for (const { scopeSpans } of received.resourceSpans ?? []) {
      for (const scope of scopeSpans) spans.push(...scope.spans);
    }
  }
  if (path === "/v1/metrics") {
    for (const { scopeMetrics } of received.resourceMetrics ?? []) {
      for (const { metrics } of scopeMetrics) for (const { name } of metrics) metricNames.add(name);
    }
  }
}

interface Line {
  level: number;
  msg: string;
  method?: string;
  route?: string;
  status?: number;
  duration_ms?: number;
  request_id?: string;
  actor_id?: string | null;
}

const lines = (): Line[] =>
  server
    .stderr()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);

test("each request is one log line, without credentials, queries or tenant ids", async () => {
  const body = { email: "ada@example.com", password };
  const { data: user } = await clientOf(url).auth.register({ body });
  const { data: tokens } = await clientOf(url).auth.login({ body });
  const api = clientOf(url, tokens.access_token);
  const organization = await makeOrganization({ api });
  const project = await makeProject({ api }, organization.id);
  const answer = await fetch(`${url}/api/v1/projects?limit=7&secret-in-query=1`, {
    headers: {
      authorization: `Bearer ${tokens.access_token}`,
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    },
  });
  await answer.text();
  const id = answer.headers.get("x-request-id");
  const found = (): Line | undefined => lines().find(({ request_id }) => request_id === id);
  await expect.poll(found).toBeDefined();
  expect(found()).toMatchObject({
    level: 30,
    msg: "request",
    method: "GET",
    route: "/api/v1/projects",
    status: answer.status,
    duration_ms: expect.any(Number),
    actor_id: user.id,
  });
  const anonymous = await fetch(`${url}/healthz`);
  const anonymousId = anonymous.headers.get("x-request-id");
  await expect
    .poll(() => lines().find((line) => line.request_id === anonymousId))
    .toMatchObject({
      route: "/healthz",
      status: 200,
      actor_id: null,
    });
  const requests = lines().filter(({ msg }) => msg === "request");
  expect(new Set(requests.map(({ request_id }) => request_id)).size).toBe(requests.length);
  const made = requests.find(
    ({ method, route }) => method === "POST" && route === "/api/v1/projects",
  );
  expect(made).toMatchObject({ status: 201, actor_id: user.id });
  const text = requests.map((line) => JSON.stringify(line)).join("\n");
  for (const secret of [tokens.access_token, password, "secret-in-query", project.id, "ada@"]) {
    expect(text).not.toContain(secret);
  }
});

test("a request aborted by the client is one log line, too", async () => {
  const aborter = new AbortController();
  const body = { email: "ada@example.com", password };
  const { data: tokens } = await clientOf(url).auth.login({ body });
  const api = clientOf(url, tokens.access_token);
  const [organization] = (await api.organizations.list({ query: {} })).data;
  const stream = await fetch(`${url}/api/v1/organizations/${organization?.id}/events`, {
    signal: aborter.signal,
    headers: { authorization: `Bearer ${tokens.access_token}` },
  });
  expect(stream.status).toBe(200);
  aborter.abort();
  await expect
    .poll(() => lines().find(({ route }) => route === "/api/v1/organizations/:org_id/events"))
    .toMatchObject({ status: 200 });
});

test("traces and metrics arrive at an OTLP receiver", async () => {
  await expect
    .poll(() => spans.find((span) => span.traceId === traceId))
    .toMatchObject({
      name: "GET /api/v1/projects",
      parentSpanId: "00f067aa0ba902b7",
    });
  // The creation of a repository starts git.
  const isOfRequest = ({ parentSpanId }: Span): boolean =>
    spans.some(({ spanId, name }) => spanId === parentSpanId && name === "POST /api/v1/projects");
  await expect
    .poll(() => spans.some((span) => span.name.startsWith("git ") && isOfRequest(span)))
    .toBe(true);
  await expect.poll(() => metricNames.has("http_request_duration_seconds")).toBe(true);
  expect([...metricNames]).toEqual(
    expect.arrayContaining([
      "omoi_jobs",
      "omoi_git_command_duration_seconds",
      "nodejs_heap_size_used_bytes",
    ]),
  );
  expect([...services]).toEqual(["omoi"]);
});

test("each run has a trace with its phases", async () => {
  const body = { email: "ada@example.com", password };
  const { data: tokens } = await clientOf(url).auth.login({ body });
  const owner = { api: clientOf(url, tokens.access_token) };
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  const { agent } = await makeWorkspace(owner, project.id);
  const start = (command: string[]) =>
    owner.api.runs.create({ params: { agent_id: agent.id }, body: { command, queue: true } });
  const { data: first } = await start(shell("until [ -e go ]; do sleep 0.02; done; rm go"));
  // Queued behind the first one.
  const { data: second } = await start(shell("touch made; exit 3"));
  const { data: workspace } = await owner.api.workspaces.get({ params: { agent_id: agent.id } });
  await writeFile(join(workspace.working_directory as string, "go"), "");
  await waitForRunEnd(owner, first.id);
  await waitForRunEnd(owner, second.id);
  const runs = (): Span[] => spans.filter(({ name }) => name === "run");
  await expect.poll(runs).toHaveLength(2);
  const [one, other] = runs() as [Span, Span];
  const phasesOf = (run: Span): Span[] =>
    spans
      .filter(({ parentSpanId }) => parentSpanId === run.spanId)
      .toSorted((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)));
  const local = ["run prepare", "run start", "run command", "run commit"];
  await expect.poll(() => phasesOf(one).map(({ name }) => name)).toEqual(local);
  await expect
    .poll(() => phasesOf(other).map(({ name }) => name))
    .toEqual(["run queued", ...local]);
  for (const run of [one, other]) {
    const phases = phasesOf(run);
    expect(run.parentSpanId ?? "").toBe("");
    expect(new Set(phases.map((phase) => phase.traceId))).toEqual(new Set([run.traceId]));
    // They follow each other without a gap, from the beginning to the end of the run.
    expect(phases.map((phase) => phase.startTimeUnixNano)).toEqual([
      run.startTimeUnixNano,
      ...phases.slice(0, -1).map((phase) => phase.endTimeUnixNano),
    ]);
    expect(phases.at(-1)?.endTimeUnixNano).toBe(run.endTimeUnixNano);
  }
  expect([one.status.code ?? 0, other.status.code]).toEqual([0, 2]);
  const [cause] = one.links;
  expect(spans.find(({ spanId }) => spanId === cause?.spanId)?.name).toBe(
    "POST /api/v1/agents/:agent_id/runs",
  );
});

test("a stop exports the rest and does not wait for a missing receiver", async () => {
  receiver.closeAllConnections();
  receiver.close();
  server.process.kill("SIGTERM");
  const { code, stdout } = await server.ended;
  expect([code, stdout]).toEqual([0, expect.stringContaining("Omoi is ready")]);
  expect(server.stderr()).toContain('"msg":"stopping"');
});
