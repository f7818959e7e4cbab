/** Calls of runs to models through the gateway, by a provider whose answers each test sets. */
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { systemRoleIds } from "../../../db/migrate.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";
import {
  answerJson,
  beginStream,
  event,
  messageEvents,
  startModelServer,
  type ModelServer,
} from "#test/support/models/model-server.js";
import { startLiveRun, type LiveRun } from "#test/support/models/live-run.js";
import { MAX_CALLS } from "./call-model.js";
import { MAX_READ_REQUEST_BYTES, MAX_REQUEST_BYTES } from "./call-request.js";

const KEY = "sk-ant-the-key-of-the-provider";
const CLAUDE = "claude-sonnet-4-5-20250929";

let app: TestApp;
let provider: ModelServer;
let owner: TestPerson;
let org: Organization;
let project: Project;
beforeAll(async () => {
  provider = await startModelServer();
  app = await startTestApp(
    {
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_MODEL_TIMEOUT_SECONDS: "10",
      OMOI_MODEL_PRICES: '{"own-model":{"input":1,"output":2,"cache_read":0,"cache_write":0}}',
      OMOI_RUN_STOP_GRACE_SECONDS: "1",
    },
    "real",
  );
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  await owner.api.organizations.update({
    params: { org_id: org.id },
    body: { max_concurrent_agents: 50 },
  });
  project = await makeProject(owner, org.id);
  provider.calls.length = 0;
});
afterAll(async () => {
  await app.close();
  await provider.close();
});

const setForAll = (name = "anthropic", value = KEY, base_url: string | null = provider.url) =>
  owner.api.organizationSecrets.set({
    params: { org_id: org.id, name: `${name.toUpperCase().replaceAll("-", "_")}_KEY` },
    body: { kind: "model", provider: name, value, ...(base_url !== null && { base_url }) },
  });
const start = async (agent_id: string, body: NewRun): Promise<Run> =>
  (await owner.api.runs.create({ params: { agent_id }, body })).data;

const liveRun = (inProject = project.id): Promise<LiveRun> => startLiveRun(owner, inProject);

interface Sent {
  path?: string;
  headers?: Record<string, string>;
  body?: unknown;
  method?: string;
}

/** Calls the gateway with a run's token, as Anthropic's clients do. */
function call(
  token: string,
  { path = "anthropic/v1/messages", headers = {}, body = {}, method = "POST" }: Sent = {},
): Promise<Response> {
  return fetch(`${app.url}/models/${path}`, {
    method,
    redirect: "manual",
    headers: { "x-api-key": token, "content-type": "application/json", ...headers },
    ...(method === "POST" && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
}

/** A provider that answers 401 as soon as it has the headers, and closes. */
async function startEarlyServer(): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((_request, response) => {
    response.writeHead(401, { connection: "close" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const usageOf = async (run: Run): Promise<Run["model_usage"]> =>
  (await owner.api.runs.get({ params: { run_id: run.id } })).data.model_usage;

/** A message as JSON, with 10 tokens in and 20 out. */
const message = (model = CLAUDE, input_tokens = 10, output_tokens = 20) => ({
  type: "message",
  model,
  usage: { input_tokens, output_tokens },
});

describe("a run", () => {
  const inspect = [
    "const names = Object.keys(process.env).filter((name) => /_(BASE_URL|API_KEY)$/.test(name));",
    "const own = Object.fromEntries(names.map((name) => [name, process.env[name]",
    "  .replace(process.env.OMOI_URL, '$OMOI_URL').replace(process.env.OMOI_TOKEN, '$OMOI_TOKEN')]));",
    "require('fs').writeFileSync('out', JSON.stringify({ own, hasKey: JSON.stringify(process.env).includes('the-key-of') }));",
  ].join("\n");
  async function inspectRun(body: Partial<NewRun>) {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const { id } = await start(agent.id, { command: ["node", "-e", inspect], ...body });
    expect((await waitForRunEnd(owner, id)).status).toBe("succeeded");
    const text = await readFile(join(folderOf(workspace), "out"), "utf8");
    return JSON.parse(text) as { own: Record<string, string>; hasKey: boolean };
  }

  test("finds the models of its project by variables, without their keys", async () => {
    await setForAll();
    await setForAll("openai", "sk-the-key-of-openai");
    await setForAll("local-llm", "the-key-of-local");
    const { own, hasKey } = await inspectRun({ network: "restricted", allowed_hosts: [] });
    expect(hasKey).toBe(false);
    expect(own).toEqual({
      ANTHROPIC_BASE_URL: "$OMOI_URL/models/anthropic",
      ANTHROPIC_API_KEY: "$OMOI_TOKEN",
      OPENAI_BASE_URL: "$OMOI_URL/models/openai/v1",
      OPENAI_API_KEY: "$OMOI_TOKEN",
      LOCAL_LLM_BASE_URL: "$OMOI_URL/models/local-llm/v1",
      LOCAL_LLM_API_KEY: "$OMOI_TOKEN",
    });
  });

  test("has its own variables instead, and none without a network", async () => {
    await setForAll();
    const env = { ANTHROPIC_API_KEY: "of the run" };
    const { own } = await inspectRun({ network: "restricted", allowed_hosts: [], env });
    expect(own["ANTHROPIC_API_KEY"]).toBe("of the run");
    expect((await inspectRun({ network: "none" })).own).toEqual({});
  });

  test("never gets the key by a variable that has the same name", async () => {
    await owner.api.organizationSecrets.set({
      params: { org_id: org.id, name: "ANTHROPIC_API_KEY" },
      body: { kind: "variable", value: "the-key-of-the-variable" },
    });
    await setForAll();
    const { hasKey } = await inspectRun({ network: "restricted", allowed_hosts: [] });
    expect(hasKey).toBe(false);
  });

  test("calls a model from its isolated network, and only with its own token", async () => {
    await setForAll();
    provider.respond((response) => answerJson(response, message()));
    const other = await liveRun();
    const script = `
      const ask = async (token) => {
        const answer = await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", {
          method: "POST", headers: { "x-api-key": token }, body: "{}" });
        return answer.status;
      };
      ask(process.env.ANTHROPIC_API_KEY).then(async (own) => {
        const other = await ask("${other.token}");
        require("fs").writeFileSync("out", own + " " + other);
      });`;
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const { id } = await start(agent.id, {
      command: ["node", "-e", script],
      network: "restricted",
      allowed_hosts: [],
    });
    const run = await waitForRunEnd(owner, id);
    expect(await readFile(join(folderOf(workspace), "out"), "utf8")).toBe("200 401");
    expect(run.model_usage).toMatchObject({ input_tokens: 10, output_tokens: 20, requests: 1 });
    expect(run.egress).toEqual({ allowed: 0, denied: 0 });
    expect(await usageOf(other.run)).toBeNull();
    await other.end();
  });
});

describe("a call", () => {
  let live: LiveRun;
  const perform = async (sent: Sent = {}): Promise<Response> => {
    live = await liveRun();
    return call(live.token, sent);
  };

  test("carries the provider's key instead of the token, and nothing else of the caller's", async () => {
    await setForAll();
    provider.respond((response) =>
      answerJson(response, message(), 200, { "request-id": "req_1", "set-cookie": "a=b" }),
    );
    const answer = await perform({
      path: "anthropic/v1/messages?beta=true",
      headers: {
        "anthropic-beta": "tools",
        cookie: "omoi_session=secret",
        "x-forwarded-for": "192.0.2.1",
        "accept-encoding": "gzip",
      },
      body: { model: CLAUDE },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("request-id")).toBe("req_1");
    expect(answer.headers.get("set-cookie")).toBeNull();
    expect(await answer.json()).toEqual(message());
    const [received] = provider.calls;
    expect(received).toMatchObject({ method: "POST", path: "/v1/messages?beta=true" });
    expect(JSON.parse(received?.body ?? "")).toEqual({ model: CLAUDE });
    expect(received?.headers).toMatchObject({
      "x-api-key": KEY,
      "anthropic-beta": "tools",
      "accept-encoding": "identity",
    });
    for (const name of ["authorization", "cookie", "x-forwarded-for"]) {
      expect(received?.headers[name]).toBeUndefined();
    }
    expect(JSON.stringify(received)).not.toContain(live.token);
    await live.end();
  });

  test("streams both ways without waiting for the end, and counts every kind of token", async () => {
    await setForAll();
    const sent = messageEvents(CLAUDE, {
      input: 100,
      output: 50,
      cacheRead: 1000,
      cacheWrite: 200,
    });
    let goOn: () => void = () => {};
    provider.respond(async (response) => {
      beginStream(response);
      response.write(sent[0]);
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      for (const text of sent.slice(1)) response.write(text);
      response.end();
    });
    const answer = await perform();
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader?.read())?.value ?? "";
    expect(text).toBe(sent[0]);
    goOn();
    for (;;) {
      const next = await reader?.read();
      if (!next || next.done) break;
      text += next.value;
    }
    expect(text).toBe(sent.join(""));
    expect(await usageOf(live.run)).toEqual({
      input_tokens: 100,
      output_tokens: 50,
      cache_read_tokens: 1000,
      cache_write_tokens: 200,
      requests: 1,
      // Sonnet: 3 and 15 dollars per million, 0.3 read, 3.75 written.
      cost_usd: (100 * 3 + 50 * 15 + 1000 * 0.3 + 200 * 3.75) / 1e6,
    });
    await live.end();
  });

  test("counts OpenAI's responses and chat completions, streamed or not", async () => {
    await setForAll("openai", "sk-openai");
    const model = "gpt-5-2025-08-07";
    const usage = {
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 40 },
      output_tokens: 7,
    };
    const chat = {
      prompt_tokens: 30,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 10 },
    };
    provider.respond((response, { path, body }) => {
      const isStream = body.includes('"stream":true');
      if (path === "/v1/responses" && isStream) {
        beginStream(response);
        response.write(event({ type: "response.created", response: { model, usage: null } }));
        response.end(event({ type: "response.completed", response: { model, usage } }));
      } else if (path === "/v1/responses") answerJson(response, { model, usage });
      else if (isStream) {
        beginStream(response);
        const choice = { model, choices: [{ delta: { content: "Hi" } }], usage: null };
        response.write(event(choice));
        if (body.includes("include_usage")) {
          response.write(event({ model, choices: [], usage: chat }));
        }
        response.end(event("[DONE]"));
      } else answerJson(response, { model, choices: [], usage: chat });
    });
    live = await liveRun();
    const ask = async (path: string, body: object): Promise<string> => {
      const answer = await fetch(`${app.url}/models/openai/v1/${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${live.token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(200);
      return answer.text();
    };
    await ask("responses", { model });
    await ask("responses", { model, stream: true });
    await ask("chat/completions", { model });
    // The client did not ask for the usage, and does not get it.
    const plain = await ask("chat/completions", { model, stream: true });
    expect(plain).not.toContain("prompt_tokens");
    expect(plain).toContain("[DONE]");
    const asked = await ask("chat/completions", {
      model,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(asked).toContain("prompt_tokens");
    expect(
      provider.calls.every(({ headers }) => headers.authorization === "Bearer sk-openai"),
    ).toBe(true);
    expect(await usageOf(live.run)).toMatchObject({
      requests: 5,
      input_tokens: 2 * 60 + 3 * 20,
      cache_read_tokens: 2 * 40 + 3 * 10,
      output_tokens: 2 * 7 + 3 * 5,
      cache_write_tokens: 0,
    });
    await live.end();
  });

  test("reaches any other provider by its address, and prices what it can", async () => {
    await setForAll("local-llm", "local-key");
    provider.respond((response, { body }) =>
      answerJson(response, message(JSON.parse(body).model as string, 1_000_000, 1_000_000)),
    );
    const answer = await perform({
      path: "local-llm/v1/chat/completions",
      body: { model: "own-model" },
    });
    expect(answer.status).toBe(200);
    await answer.text();
    expect(provider.calls[0]?.headers["x-api-key"]).toBe("local-key");
    expect((await usageOf(live.run))?.cost_usd).toBe(3);
    await (
      await call(live.token, {
        path: "local-llm/v1/chat/completions",
        body: { model: "secret-model" },
      })
    ).text();
    expect(await usageOf(live.run)).toMatchObject({ requests: 2, cost_usd: null });
    const { data } = await owner.api.usage.get({
      params: { org_id: org.id },
      query: { by: "model" },
    });
    expect(data.rows).toMatchObject([
      { provider: "local-llm", model: "own-model", cost_usd: 3, requests: 1 },
      { provider: "local-llm", model: "secret-model", cost_usd: null, input_tokens: 1_000_000 },
    ]);
    const csv = await send(
      app,
      "GET",
      `/api/v1/organizations/${org.id}/usage?by=model&format=csv`,
      {
        token: owner.token,
      },
    );
    expect(csv.text.split("\r\n")[0]).toBe(
      "period,provider,model,requests,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cost_usd",
    );
    const period = new Date().toISOString().slice(0, 7);
    const statement = await owner.api.usage.statement({
      params: { org_id: org.id, period },
      query: {},
    });
    expect(statement.data.by_model).toHaveLength(2);
    await live.end();
  });

  test("uses the project's secret rather than its organization's", async () => {
    await setForAll();
    await owner.api.projectSecrets.set({
      params: { project_id: project.id, name: "OWN" },
      body: {
        kind: "model",
        provider: "anthropic",
        value: "of-the-project",
        base_url: provider.url,
      },
    });
    provider.respond((response) => answerJson(response, message()));
    await (await perform()).text();
    expect(provider.calls[0]?.headers["x-api-key"]).toBe("of-the-project");
    await live.end();
  });

  test("is counted whole if the client leaves early", async () => {
    await setForAll();
    const sent = messageEvents(CLAUDE, { input: 10, output: 5000 });
    let goOn: () => void = () => {};
    provider.respond(async (response) => {
      beginStream(response);
      response.write(sent[0]);
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      response.end(sent.slice(1).join(""));
    });
    const answer = await perform();
    const reader = answer.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await pause(50);
    goOn();
    await expect
      .poll(() => usageOf(live.run))
      .toMatchObject({ input_tokens: 10, output_tokens: 5000 });
    await live.end();
  });

  test("is counted whatever names the answer repeats", async () => {
    await setForAll();
    await setForAll("openai", "sk");
    live = await liveRun();
    const usage = { input_tokens: 1, output_tokens: 7 };
    provider.respond((response, { path }) => {
      beginStream(response);
      if (path === "/v1/responses") {
        const metadata = { a: "usage", usage: "usage" };
        response.end(event({ response: { model: "gpt-5", metadata, tools: ["usage"], usage } }));
        return;
      }
      const message = { model: CLAUDE, usage: { ...usage, output_tokens: 1 } };
      response.write(event({ type: "message_start", message }));
      const delta = { stop_reason: "stop_sequence", stop_sequence: "usage" };
      response.end(event({ type: "message_delta", delta, usage }));
    });
    await (await call(live.token)).text();
    await (await call(live.token, { path: "openai/v1/responses" })).text();
    expect(await usageOf(live.run)).toMatchObject({ requests: 2, output_tokens: 14 });
    await live.end();
  });

  test("is counted in whatever pieces the answer comes", async () => {
    await setForAll();
    await setForAll("openai", "sk");
    live = await liveRun();
    const model = "gpt-5";
    const chat = { model, choices: [], usage: { prompt_tokens: 3, completion_tokens: 5 } };
    const texts = [
      event({ model, choices: [{ delta: { content: "Hé" } }] }),
      event(chat).replaceAll("\n", "\r\n"),
      event(chat),
      ": a comment\n\n",
      event("[DONE]"),
    ];
    provider.respond(async (response) => {
      beginStream(response);
      for (const byte of Buffer.from(texts.join(""))) {
        response.write(Buffer.of(byte));
        if (byte === 10) await pause(1);
      }
      response.end("data: no end");
    });
    const body = { model, stream: true };
    const text = await (
      await call(live.token, { path: "openai/v1/chat/completions", body })
    ).text();
    expect(text).toBe(`${texts[0]}${texts[3]}${texts[4]}data: no end`);
    expect(await usageOf(live.run)).toMatchObject({ input_tokens: 3, output_tokens: 5 });
    await live.end();
  });

  test("of a model with a name that cannot be stored is counted, and one of many models as another", async () => {
    await setForAll();
    live = await liveRun();
    const names = [
      "\ud800",
      "\u0000",
      "😀".repeat(150),
      ...Array.from({ length: 220 }, (_, nth) => `m-${nth}`),
    ];
    let nth = 0;
    provider.respond((response) => {
      const model = names[nth] as string;
      nth += 1;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(message(model, 1, 1)));
    });
    for (let at = 0; at < names.length; at += 75) {
      const some = names.slice(at, at + 75);
      await Promise.all(some.map(async () => (await call(live.token)).text()));
    }
    expect(await usageOf(live.run)).toMatchObject({ requests: 223, input_tokens: 223 });
    const { data } = await owner.api.usage.get({
      params: { org_id: org.id },
      query: { by: "model" },
    });
    const rows = data.rows as { model: string; requests: number }[];
    expect(rows).toHaveLength(201);
    expect(rows.find(({ model }) => model === "other")?.requests).toBe(22);
    await live.end();
  });

  test("of a hundred at once is counted exactly", async () => {
    await setForAll();
    provider.respond(async (response) => {
      beginStream(response);
      for (const text of messageEvents(CLAUDE, { input: 3, output: 4 })) {
        response.write(text);
        await pause(5);
      }
      response.end();
    });
    live = await liveRun();
    const expected = messageEvents(CLAUDE, { input: 3, output: 4 }).join("");
    const texts = await Promise.all(
      Array.from({ length: 100 }, async () => (await call(live.token)).text()),
    );
    expect(texts.every((text) => text === expected)).toBe(true);
    expect(await usageOf(live.run)).toMatchObject({
      requests: 100,
      input_tokens: 300,
      output_tokens: 400,
    });
    await live.end();
  });
});

describe("a refused call", () => {
  let live: LiveRun;
  beforeEach(async () => {
    live = await liveRun();
  });

  /** Expects an error in Anthropic's form. */
  async function expectError(
    answer: Promise<Response>,
    status: number,
    code: string,
    type?: string,
  ) {
    const got = await answer;
    const body = (await got.json()) as { type: string; error: Record<string, string> };
    expect([got.status, body.error["code"]]).toEqual([status, code]);
    expect(body.type).toBe("error");
    if (type !== undefined) expect(body.error["type"]).toBe(type);
    return { answer: got, message: body.error["message"] };
  }

  test("has no valid token of a running run", async () => {
    await setForAll();
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "mine" } });
    for (const token of [owner.token, key.key as string, `${live.token}x`, "ort_", "nothing"]) {
      await expectError(call(token), 401, "invalid_token", "authentication_error");
    }
    const without = fetch(`${app.url}/models/anthropic/v1/messages`, {
      method: "POST",
      body: "{}",
    });
    await expectError(without, 401, "unauthenticated");
    await live.end();
    await expectError(call(live.token), 401, "invalid_token");
    expect(provider.calls).toEqual([]);
  });

  /** Sends a path as it is, which `fetch` would normalize. */
  function rawStatus(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(app.url);
      const headers = { "x-api-key": live.token, "content-length": "2" };
      request({ hostname, port, path, method: "POST", headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .once("error", reject)
        .end("{}");
    });
  }

  test("has another path than the provider's /v1", async () => {
    await setForAll();
    for (const path of [
      "anthropic",
      "anthropic/",
      "anthropic/v1",
      "anthropic/v1/",
      "anthropic/v2/messages",
      "anthropic/v1/../admin",
      "anthropic/v1/%2e%2e/admin",
      "anthropic/v1/a%2f..%2fadmin",
      "anthropic/v1/messages%00",
      "anthropic/v1//messages",
      "anthropic/v1/a%3fb",
      "anthropic/v1/messages/batches",
      "anthropic/v1/files",
      "openai/v1/realtime/client_secrets",
      "openai/v1/files",
      "openai/v1/organization/admin_api_keys",
      "Anthropic/v1/messages",
      "%2e%2e/v1/messages",
      "nosuch/v1/messages",
    ]) {
      expect([path, await rawStatus(`/models/${path}`)]).toEqual([path, 404]);
    }
    expect(provider.calls).toEqual([]);
    await live.end();
  });

  test("has another method, and is answered in the provider's form", async () => {
    await setForAll();
    for (const [method, path, status, allow] of [
      ["PUT", "anthropic/v1/messages", 405, "POST"],
      ["PATCH", "anthropic/v1/messages", 405, "POST"],
      ["DELETE", "anthropic/v1/messages/count_tokens", 405, "POST"],
      ["OPTIONS", "anthropic/v1/messages", 405, "POST"],
      ["GET", "anthropic/v1/messages", 405, "POST"],
      ["POST", "anthropic/v1/models", 405, "GET, HEAD"],
      ["DELETE", "openai/v1/models/gpt-5", 405, "GET, HEAD"],
      ["PUT", "openai/v1/responses", 405, "POST"],
      ["GET", "openai/v1/responses/resp_1", 404, null],
      ["DELETE", "openai/v1/files/file-1", 404, null],
      ["PUT", "anthropic", 404, null],
      ["GET", "anthropic/", 404, null],
      ["PATCH", `anthropic/v1/${"a".repeat(3000)}`, 404, null],
      ["PUT", "nosuch/v1/messages", 404, null],
      ["PUT", "Not a name/v1/messages", 404, null],
    ] as const) {
      const answer = await fetch(`${app.url}/models/${path}`, {
        method,
        headers: { "x-api-key": live.token },
        ...(["PUT", "PATCH", "POST"].includes(method) && { body: "{}" }),
      });
      const isAnthropic = path.startsWith("anthropic");
      const code = status === 405 ? "method_not_allowed" : "not_found";
      expect([method, path, answer.status, answer.headers.get("allow")]).toEqual([
        method,
        path,
        status,
        allow,
      ]);
      expect(answer.headers.get("content-type")).toContain("application/json");
      const type =
        isAnthropic && status === 404 ? "not_found_error" : ("invalid_request_error" as const);
      const error = isAnthropic
        ? { type: "error", error: { type, code } }
        : { error: { type, code, param: null } };
      expect(await answer.json()).toMatchObject(error);
    }
    expect(provider.calls).toEqual([]);
    await live.end();
  });

  test("cannot be routed, and is answered in the provider's form", async () => {
    const { port, hostname } = new URL(app.url);
    const asked = (method: string, path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const headers = { "x-api-key": live.token };
        request({ hostname, port, path: `/models/${path}`, method, headers }, (answer) => {
          let body = `${answer.statusCode} ${answer.headers["content-type"]} `;
          answer.on("data", (data: Buffer) => {
            body += data.toString();
          });
          answer.once("end", () => resolve(body));
        })
          .once("error", reject)
          .end();
      });
    const form = (path: string): string =>
      path.startsWith("anthropic") ? '\\{"type":"error","error":\\{' : '\\{"error":\\{"message"';
    for (const [method, path, status, code] of [
      ["POST", "anthropic/v1/%zz", 400, "bad_request"],
      ["GET", "openai/v1/models/%", 400, "bad_request"],
      ["PUT", "nosuch/v1/%e0%a4%a", 400, "bad_request"],
      ["PROPFIND", "anthropic/v1/messages", 405, "method_not_allowed"],
      ["MKCOL", "openai/v1/models", 405, "method_not_allowed"],
      ["SEARCH", "openai/v1/files?a=b", 404, "not_found"],
      ["LOCK", "anthropic", 404, "not_found"],
      ["POST", `${"a".repeat(300)}/v1/messages`, 400, "bad_request"],
    ] as const) {
      const pattern = `^${status} application/json[^{]*${form(path)}.*"code":"${code}"`;
      expect([method, path, await asked(method, path)]).toEqual([
        method,
        path,
        expect.stringMatching(pattern),
      ]);
    }
    expect(provider.calls).toEqual([]);
    const { status } = await fetch(`${app.url}/api/v1/%zz`);
    expect(status).toBe(400);
    await live.end();
  });

  test("has a malformed content type, and is answered in the provider's form", async () => {
    const { port, hostname } = new URL(app.url);
    const body = await new Promise<string>((resolve, reject) => {
      const headers = { "x-api-key": live.token, "content-type": ";" };
      request(
        { hostname, port, path: "/models/anthropic/v1/messages", method: "POST", headers },
        (answer) => {
          let text = `${answer.statusCode} `;
          answer.on("data", (data: Buffer) => {
            text += data.toString();
          });
          answer.once("end", () => resolve(text));
        },
      )
        .once("error", reject)
        .end("{}");
    });
    expect(body).toMatch(/^415 \{"type":"error","error":\{.*"code":"unsupported_media_type"/);
    await live.end();
  });

  test("has a body that cannot be counted, or that its method has not", async () => {
    await setForAll();
    await setForAll("openai", "sk");
    const chat = { path: "openai/v1/chat/completions" };
    for (const body of [
      "NaN",
      "[]",
      "{",
      "\ufeff{}",
      '{"stream":1}',
      '{"stream":"true"}',
      '{"stream":true,"stream_options":1}',
    ]) {
      expect([body, (await call(live.token, { ...chat, body })).status]).toEqual([body, 400]);
    }
    const background = { path: "openai/v1/responses", body: { background: true } };
    expect((await call(live.token, background)).status).toBe(400);
    const zipped = call(live.token, { headers: { "content-encoding": "gzip" } });
    await expectError(zipped, 400, "encoded_body", "invalid_request_error");
    await expectError(
      call(live.token, { path: `anthropic/v1/messages?key=${live.token}` }),
      400,
      "token_in_query",
    );
    expect(provider.calls).toEqual([]);
    // The length would make the next request of the kept connection the body of this one.
    const answers: string[] = [];
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.on("data", (data: Buffer) => answers.push(data.toString()));
    socket.write(
      `GET /models/openai/v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${live.token}\r\ncontent-length: 40\r\n\r\n`,
    );
    await expect.poll(() => answers.join("")).toContain("unexpected_body");
    socket.destroy();
    expect(provider.calls).toEqual([]);
    provider.respond((response) => answerJson(response, { data: [] }));
    const list = await call(live.token, { path: "openai/v1/models", method: "GET" });
    expect(list.status).toBe(200);
    expect(provider.calls[0]?.headers["content-length"]).toBeUndefined();
    expect(await usageOf(live.run)).toBeNull();
    await live.end();
  });

  test("does not send the token in another header", async () => {
    await setForAll();
    provider.respond((response) => answerJson(response, message()));
    const headers = {
      "api-key": live.token,
      "x-note": `Bearer ${live.token}`,
      "anthropic-version": "1",
    };
    await (await call(live.token, { headers })).text();
    expect(JSON.stringify(provider.calls)).not.toContain(live.token);
    expect(provider.calls[0]?.headers["anthropic-version"]).toBe("1");
    await live.end();
  });

  test("has no secret, also if another organization has one", async () => {
    await setForAll();
    const other = await makeOrganization(owner);
    const there = await liveRun((await makeProject(owner, other.id)).id);
    const { message: text } = await expectError(call(there.token), 404, "no_model_secret");
    expect(text).toContain("has a secret for the provider anthropic");
    expect(provider.calls).toEqual([]);
    await queryAsOwner(app, "update secrets set sealed = 'x' where org_id = $1", [org.id]);
    await expectError(call(live.token), 503, "unavailable");
    await Promise.all([live.end(), there.end()]);
  });

  test("is too large", async () => {
    await setForAll();
    await setForAll("openai", "sk");
    const ofSize = (bytes: number): string => `{"a":"${"x".repeat(bytes - 8)}"}`;
    const long = "x".repeat(MAX_REQUEST_BYTES);
    await expectError(call(live.token, { body: `${long}x` }), 413, "payload_too_large");
    const chat = { path: "openai/v1/chat/completions" };
    const answer = await call(live.token, {
      ...chat,
      body: ofSize(MAX_READ_REQUEST_BYTES + 1),
    });
    expect(answer.status).toBe(413);
    provider.respond((response) => answerJson(response, message()));
    expect((await call(live.token, { ...chat, body: ofSize(MAX_READ_REQUEST_BYTES) })).status).toBe(
      200,
    );
    // Without a length, it is counted while it is read.
    const stream = new ReadableStream({
      pull: (controller) => controller.enqueue(Buffer.alloc(1024 * 1024)),
    });
    const endless = fetch(`${app.url}/models/anthropic/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": live.token },
      body: stream,
      duplex: "half",
    } as RequestInit);
    await expectError(endless, 413, "payload_too_large");
    await live.end();
  });

  test("is one too many at once", async () => {
    await setForAll();
    const held: (() => void)[] = [];
    provider.respond(async (response) => {
      beginStream(response);
      const alive = setInterval(() => response.write(": waiting\n\n"), 200);
      await new Promise<void>((resolve) => held.push(resolve));
      clearInterval(alive);
      response.end();
    });
    const calls = Array.from({ length: MAX_CALLS }, () => call(live.token));
    await expect.poll(() => held.length).toBe(MAX_CALLS);
    await expectError(call(live.token), 429, "too_many_calls", "rate_limit_error");
    for (const release of held) release();
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await Promise.all(answers.map((answer) => answer.text()));
    provider.respond((response) => answerJson(response, message()));
    expect((await call(live.token)).status).toBe(200);
    await live.end();
  });
});

describe("a provider", () => {
  let live: LiveRun;
  beforeEach(async () => {
    await setForAll();
    live = await liveRun();
  });

  test.each([429, 529])("that answers %i is passed on as it is", async (status) => {
    const body = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    provider.respond((response) => answerJson(response, body, status, { "retry-after": "7" }));
    const answer = await call(live.token);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("retry-after")).toBe("7");
    expect(await answer.json()).toEqual(body);
    expect(await usageOf(live.run)).toBeNull();
    await live.end();
  });

  test("that repeats the key in an error or a header does not disclose it", async () => {
    provider.respond((response, { headers }) =>
      answerJson(response, { error: `bad key ${String(headers["x-api-key"])}` }, 401, {
        "x-echo": KEY,
      }),
    );
    const answer = await call(live.token);
    expect(answer.headers.get("x-echo")).toBeNull();
    expect(await answer.json()).toEqual({ error: "bad key ***" });
    await live.end();
  });

  test("that answers nothing, redirects, compresses or is not there is an error in its form", async () => {
    const errorOf = async (): Promise<unknown> => {
      const answer = await call(live.token);
      const { error } = (await answer.json()) as { error: { code: string } };
      return [answer.status, error.code];
    };
    provider.respond(() => {});
    expect(await errorOf()).toEqual([504, "provider_timeout"]);
    provider.respond((response) => {
      response.destroy();
    });
    expect(await errorOf()).toEqual([502, "provider_unreachable"]);
    provider.respond((response) => {
      response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    });
    expect(await errorOf()).toEqual([502, "provider_unreachable"]);
    provider.respond((response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end("x");
    });
    expect(await errorOf()).toEqual([502, "provider_unreachable"]);
    for (const head of [
      "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
      "nothing\r\n\r\n",
    ]) {
      provider.respond((response) => {
        response.socket?.end(head);
      });
      expect(await errorOf()).toEqual([502, "provider_unreachable"]);
    }
    await setForAll("anthropic", KEY, "http://127.0.0.1:1/v1");
    expect(await errorOf()).toEqual([502, "provider_unreachable"]);
    await live.end();
  });

  test("with a short key does not change what contains it", async () => {
    await setForAll("anthropic", "json");
    provider.respond((response) => answerJson(response, { error: "json" }, 400));
    const answer = await call(live.token);
    expect(answer.headers.get("content-type")).toContain("application/json");
    expect(await answer.json()).toEqual({ error: "json" });
    await live.end();
  });

  test("that answers before the request has ended does not hold its sender", async () => {
    const early = await startEarlyServer();
    await setForAll("anthropic", KEY, early.url);
    const answer = await call(live.token, { body: "x".repeat(8 * 1024 * 1024) }).catch(() => null);
    if (answer !== null) {
      // The provider's answer may come too late to be read.
      expect([401, 502]).toContain(answer.status);
      expect(answer.headers.get("connection")).toBe("close");
    }
    await setForAll();
    provider.respond((response) => answerJson(response, message()));
    expect((await call(live.token)).status).toBe(200);
    await early.close();
    await live.end();
  });

  test("that ends in the middle of a stream ends the client's, and is counted as far as it came", async () => {
    const sent = messageEvents(CLAUDE, { input: 10, output: 50 });
    provider.respond(async (response) => {
      beginStream(response);
      response.write(sent.slice(0, 2).join(""));
      await pause(100);
      response.destroy();
    });
    const answer = await call(live.token);
    await expect(answer.text()).rejects.toThrow();
    expect(await usageOf(live.run)).toMatchObject({ input_tokens: 10, output_tokens: 1 });
    // Nothing for ten seconds in the middle of a stream is an end, too.
    provider.respond((response) => {
      beginStream(response);
      response.write(sent[0]);
    });
    await expect((await call(live.token)).text()).rejects.toThrow();
    expect(await usageOf(live.run)).toMatchObject({ requests: 2 });
    await live.end();
  });

  test("that reports figures that are none is counted without them", async () => {
    for (const usage of [
      { input_tokens: -5, output_tokens: -1 },
      { input_tokens: "many", output_tokens: 1.5 },
      { input_tokens: { a: 1 }, output_tokens: null },
      [],
    ]) {
      provider.respond((response) =>
        answerJson(response, { model: `a\u0000${"b".repeat(500)}`, usage }),
      );
      expect((await call(live.token)).status).toBe(200);
    }
    await expect.poll(async () => (await usageOf(live.run))?.requests).toBe(4);
    expect(await usageOf(live.run)).toMatchObject({ input_tokens: 0, output_tokens: 0 });
    await live.end();
  });
});

describe("a budget", () => {
  const params = () => ({ org_id: org.id });
  const setBudget = {
    organization: (body: object) => owner.api.organizations.update({ params: params(), body }),
    project: (body: object) =>
      owner.api.projects.update({ params: { project_id: project.id }, body }),
    agent: (body: object, agent_id: string) =>
      owner.api.agents.update({ params: { agent_id }, body }),
  };

  /** Returns after the answer's end, when it is counted. */
  async function statusOf({ token }: LiveRun): Promise<number> {
    const answer = await call(token);
    await answer.text();
    return answer.status;
  }

  test.each(["agent", "project", "organization"] as const)("of the %s holds", async (of) => {
    await setForAll();
    provider.respond((response) => answerJson(response, message(CLAUDE, 600, 400)));
    const live = await liveRun();
    await setBudget[of]({ max_model_tokens: 2000 }, live.agent.id);
    for (let nth = 0; nth < 2; nth += 1) expect(await statusOf(live)).toBe(200);
    const refused = await call(live.token);
    expect(refused.status).toBe(429);
    const seconds = Number(refused.headers.get("retry-after"));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(31 * 86_400);
    expect(await refused.json()).toMatchObject({
      type: "error",
      error: {
        type: "rate_limit_error",
        code: "budget_exceeded",
        message: `The ${of} has used its budget of 2000 model tokens for this month; an admin can raise it.`,
      },
    });
    await setBudget[of]({ max_model_tokens: null, max_model_cost_usd: 0.015 }, live.agent.id);
    expect(await statusOf(live)).toBe(429);
    await setBudget[of]({ max_model_cost_usd: 0.0157 }, live.agent.id);
    expect(await statusOf(live)).toBe(200);
    // A call of the month before does not count.
    await queryAsOwner(
      app,
      "update model_spending set month = month - interval '1 month' where org_id = $1",
      [org.id],
    );
    expect(await statusOf(live)).toBe(200);
    expect(provider.calls).toHaveLength(4);
    await live.end();
  });

  test("of another agent, project or organization does not hold", async () => {
    await setForAll();
    provider.respond((response) => answerJson(response, message()));
    const [live, other] = [await liveRun(), await liveRun()];
    await setBudget.agent({ max_model_tokens: 0 }, other.agent.id);
    expect(await statusOf(other)).toBe(429);
    expect(await statusOf(live)).toBe(200);
    await Promise.all([live.end(), other.end()]);
  });

  test("is changed with org:limits:write only, and recorded", async () => {
    const member = await app.person("Bob");
    const role_id = systemRoleIds.member;
    await owner.api.members.add({ params: params(), body: { user_id: member.id, role_id } });
    const { agent } = await makeWorkspace(owner, project.id);
    const body = { max_model_tokens: 5 };
    for (const change of [
      () => member.api.agents.update({ params: { agent_id: agent.id }, body }),
      () => member.api.projects.update({ params: { project_id: project.id }, body }),
      () => member.api.organizations.update({ params: params(), body }),
    ]) {
      await expectProblem(change(), 403, "insufficient_permission");
    }
    expect((await setBudget.agent(body, agent.id)).data.max_model_tokens).toBe(5);
    expect((await setBudget.project({ max_model_cost_usd: 1.5 })).data.max_model_cost_usd).toBe(
      1.5,
    );
    for (const wrong of [-1, 1.5, 1e16, "5"]) {
      await expectProblem(
        setBudget.agent({ max_model_tokens: wrong }, agent.id),
        422,
        "validation_failed",
      );
    }
    const { data: events } = await owner.api.audit.list({
      params: params(),
      query: { limit: 5 },
    });
    expect(events.map(({ changes }) => changes)).toContainEqual({
      max_model_tokens: { from: null, to: 5 },
    });
  });
});

describe("a model secret", () => {
  const set = (name: string, body: object) =>
    owner.api.organizationSecrets.set({
      params: { org_id: org.id, name },
      body: { value: "v", ...body } as never,
    });

  test("is one per provider and owner", async () => {
    await setForAll();
    const again = set("SECOND", { kind: "model", provider: "anthropic" });
    const { detail } = await expectProblem(again, 409, "provider_in_use");
    expect(detail).toContain("ANTHROPIC_KEY is the one of anthropic");
    const { data } = await setForAll("anthropic", "another", null);
    expect(data).toMatchObject({ kind: "model", provider: "anthropic", base_url: null });
    // It becomes a variable only with a new value.
    await set("ANTHROPIC_KEY", { kind: "variable" });
    expect((await set("SECOND", { kind: "model", provider: "anthropic" })).data.name).toBe(
      "SECOND",
    );
  });

  test.each([
    [{ kind: "model" }, "provider"],
    [{ kind: "model", provider: "local" }, "base_url"],
    [{ kind: "variable", provider: "openai" }, "provider"],
    [{ kind: "variable", base_url: "https://a.example/v1" }, "base_url"],
    [{ kind: "model", provider: "Open AI" }, "provider"],
    [{ kind: "model", provider: "omoi" }, "provider"],
    [{ kind: "model", provider: "openai", base_url: "ftp://a.example" }, "base_url"],
    [{ kind: "model", provider: "openai", base_url: "https://user:pw@a.example" }, "base_url"],
    [{ kind: "model", provider: "openai", base_url: "https://a.example/v1?a=b" }, "base_url"],
    [{ kind: "model", provider: "openai", base_url: "a.example" }, "base_url"],
    [{ kind: "other" }, "kind"],
    [{ kind: "model", provider: "openai", value: "key\n" }, "value"],
    [{ kind: "model", provider: "openai", value: "k".repeat(4097) }, "value"],
  ])("%j is refused at %s", async (body, field) => {
    const problem = await expectProblem(set("A", body), 422, "validation_failed");
    expect(problem.errors?.map(({ loc }) => loc.at(-1))).toContain(field);
  });
});
