/** Rules of the gateway that an agent, which chooses the model and writes the request, might go around. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { startLiveRun, type LiveRun } from "#test/support/models/live-run.js";
import {
  answerJson,
  beginStream,
  event,
  startModelServer,
  type ModelServer,
} from "#test/support/models/model-server.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { MAX_DEPTH, MAX_MEMBERS, MAX_PARTS } from "../../../models/request-members.js";

const KEY = "sk-the/key-of-the-provider";
const CLAUDE = "claude-sonnet-4-5";
const NEW_MODEL = "claude-never-priced-9";

let app: TestApp;
let provider: ModelServer;
let owner: TestPerson;
let org: Organization;
let project: Project;
let live: LiveRun;
beforeAll(async () => {
  provider = await startModelServer();
  app = await startTestApp(
    {
      OMOI_MODEL_PRIVATE_HOSTS: "true",
      OMOI_MODEL_PRICES: '{"own-model":{"input":1,"output":2,"cache_read":0,"cache_write":0}}',
      OMOI_RUN_STOP_GRACE_SECONDS: "1",
    },
    "real",
  );
  owner = await app.person("Ada");
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
  for (const name of ["anthropic", "openai", "local-llm"]) {
    await owner.api.organizationSecrets.set({
      params: { org_id: org.id, name: name.toUpperCase().replaceAll("-", "_") },
      body: { kind: "model", provider: name, value: KEY, base_url: provider.url },
    });
  }
  live = await startLiveRun(owner, project.id);
  provider.calls.length = 0;
  return async () => {
    await live.end();
  };
});
afterAll(async () => {
  await app.close();
  await provider.close();
});

interface Sent {
  path?: string;
  headers?: Record<string, string>;
}
function call(body: unknown, { path = "anthropic/v1/messages", headers = {} }: Sent = {}) {
  return fetch(`${app.url}/models/${path}`, {
    method: "POST",
    headers: { "x-api-key": live.token, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}
const chat = { path: "openai/v1/chat/completions" };
const local = { path: "local-llm/v1/chat/completions" };

/** Makes a call and reads its answer to the end: only then are its tokens counted. */
async function callToEnd(...sent: Parameters<typeof call>): Promise<void> {
  const answer = await call(...sent);
  await answer.text();
  expect(answer.status).toBe(200);
}

async function expectError(answer: Promise<Response>, status: number, code: string) {
  const got = await answer;
  const { error } = (await got.json()) as { error: Record<string, string> };
  expect([got.status, error["code"]]).toEqual([status, code]);
  return { ...error, headers: got.headers } as { message: string; type: string; headers: Headers };
}

const setOrganization = (body: Parameters<typeof owner.api.organizations.update>[0]["body"]) =>
  owner.api.organizations.update({ params: { org_id: org.id }, body });
const reservations = async (): Promise<number> =>
  (await queryAsOwner(app, "select from model_reservations where org_id = $1", [org.id])).length;
const used = async (): Promise<number | undefined> => {
  const query = { budget_of: org.id };
  const { data } = await owner.api.usage.get({ params: { org_id: org.id }, query });
  return data.model_budget?.cost_usd.used;
};

/** Answers with a million tokens in and out of the model of the request. */
function answerAMillion(): void {
  provider.respond((response, { body }) => {
    const { model } = JSON.parse(body) as { model: string };
    const usage = { input_tokens: 1_000_000, output_tokens: 1_000_000 };
    answerJson(response, { model, usage });
  });
}

describe("a model without a price", () => {
  test("counts for a budget in dollars as the dearest of its provider, and is shown without a price", async () => {
    answerAMillion();
    await setOrganization({ max_model_cost_usd: 100 });
    const first = await call({ model: NEW_MODEL });
    expect([first.status, await first.text()]).toEqual([200, expect.stringContaining(NEW_MODEL)]);
    // Opus 4 costs 15 and 75 dollars for a million.
    expect(await used()).toBe(90);
    await callToEnd({ model: NEW_MODEL });
    await expectError(call({ model: NEW_MODEL }), 429, "budget_exceeded");
    const { data } = await owner.api.runs.get({ params: { run_id: live.run.id } });
    expect(data.model_usage).toMatchObject({ requests: 2, cost_usd: null });
  });

  test("is counted in tokens alone without such a budget", async () => {
    answerAMillion();
    await setOrganization({ max_model_tokens: 3_000_000 });
    await callToEnd({ model: NEW_MODEL });
    await callToEnd({ model: "a-model" }, local);
    expect(await used()).toBe(0);
    await expectError(call({ model: NEW_MODEL }), 429, "budget_exceeded");
  });

  test.each(["agent", "project", "organization"] as const)(
    "of a provider without prices is refused under a budget of the %s",
    async (of) => {
      answerAMillion();
      const body = { max_model_cost_usd: 100 };
      if (of === "organization") await setOrganization(body);
      else if (of === "project") {
        await owner.api.projects.update({ params: { project_id: project.id }, body });
      } else await owner.api.agents.update({ params: { agent_id: live.agent.id }, body });
      const { message, type, headers } = await expectError(
        call({ model: "a-model" }, local),
        403,
        "model_without_price",
      );
      expect(message).toContain("a-model has no price");
      expect([type, headers.get("x-should-retry")]).toEqual(["invalid_request_error", "false"]);
      // A router may take any of several models.
      const models = ["own-model", "a-model"];
      await expectError(call({ model: "own-model", models }, local), 403, "model_without_price");
      await expectError(call({}, local), 403, "model_without_price");
      expect([provider.calls, await reservations()]).toEqual([[], 0]);
      expect((await call({ model: "own-model" }, local)).status).toBe(200);
    },
  );
});

describe("the allowed models", () => {
  test("are the only ones that runs call, refused before anything is reserved", async () => {
    answerAMillion();
    await setOrganization({ allowed_models: ["claude-sonnet-*", "gpt-5"], max_model_tokens: 1 });
    const { type, message } = await expectError(
      call({ model: "claude-opus-5" }),
      403,
      "model_not_allowed",
    );
    expect(type).toBe("permission_error");
    expect(message).toContain("claude-opus-5 is not allowed by the organization");
    await expectError(call({ model: "gpt-5-mini" }, chat), 403, "model_not_allowed");
    await expectError(call({ MODEL: "gpt-5-mini" }, chat), 403, "model_not_allowed");
    await expectError(call({ messages: [] }), 403, "model_not_allowed");
    await expectError(call("[]"), 400, "invalid_request");
    const others = { model: "gpt-5", tools: [{ type: "image_generation", model: "gpt-image-1" }] };
    await expectError(call(others, chat), 403, "model_not_allowed");
    const count = { path: "anthropic/v1/messages/count_tokens" };
    await expectError(call({ model: "claude-opus-5" }, count), 403, "model_not_allowed");
    expect([provider.calls, await reservations()]).toEqual([[], 0]);
    expect((await call({ model: CLAUDE })).status).toBe(200);
    await setOrganization({ allowed_models: null, max_model_tokens: null });
    expect((await call({ model: "claude-opus-5" })).status).toBe(200);
  });

  test("refuse a run or a session with another model", async () => {
    await setOrganization({ allowed_models: ["claude-sonnet-*"] });
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    for (const model of ["claude-opus-5", "anthropic/claude-opus-5"]) {
      const run = { preset: "claude-code" as const, prompt: "Write it", model };
      const session = { preset: "opencode" as const, model };
      for (const call of [
        () => owner.api.runs.create({ params, body: run }),
        () => owner.api.agentSessions.create({ params, body: session }),
      ]) {
        const { errors } = await expectProblem(call(), 422, "validation_failed");
        expect(errors?.[0]).toMatchObject({
          loc: ["body", "model"],
          msg: "must be a model that the organization allows: claude-sonnet-*",
        });
      }
    }
    const model = "anthropic/claude-sonnet-4-5";
    const run = { preset: "opencode" as const, prompt: "Write it", model };
    // The model is allowed, and the program is missing.
    await expectProblem(owner.api.runs.create({ params, body: run }), 409, "program_missing");
  });

  test("are changed with org:limits:write, and recorded", async () => {
    const member = await app.person("Bob");
    const { data: roles } = await owner.api.roles.list({ params: { org_id: org.id }, query: {} });
    const role_id = roles.find(({ name }) => name === "member")?.id as string;
    const params = { org_id: org.id };
    await owner.api.members.add({ params, body: { user_id: member.id, role_id } });
    const body = { allowed_models: ["gpt-5"] };
    const refused = member.api.organizations.update({ params, body });
    await expectProblem(refused, 403, "insufficient_permission");
    expect((await setOrganization(body)).data.allowed_models).toEqual(["gpt-5"]);
    for (const wrong of [[], ["a b"], ["x".repeat(201)], Array(101).fill("a"), "gpt-5"]) {
      const given = setOrganization({ allowed_models: wrong as string[] });
      await expectProblem(given, 422, "validation_failed");
    }
    const { data: events } = await owner.api.audit.list({ params, query: { limit: 1 } });
    expect(events[0]).toMatchObject({
      action: "organization.limits_changed",
      changes: { allowed_models: { from: null, to: ["gpt-5"] } },
    });
  });
});

describe("the names of members", () => {
  const model = "gpt-5";

  test("are read in any case, and as escapes", async () => {
    provider.respond((response, { body }) => {
      beginStream(response);
      response.write(event({ model, choices: [{ delta: { content: "Hi" } }] }));
      const usage = { prompt_tokens: 30, completion_tokens: 5 };
      if (body.includes('"include_usage":true')) {
        response.write(event({ model, choices: [], usage }));
      }
      response.end(event("[DONE]"));
    });
    for (const name of ["stream", "Stream", "STREAM", "\\u0073tream", "ſtream", "\\u017fTREAM"]) {
      expect((await call(`{"model":"${model}","${name}":true}`, chat)).status).toBe(200);
    }
    await expect
      .poll(async () => (await owner.api.runs.get({ params: { run_id: live.run.id } })).data)
      .toMatchObject({ model_usage: { requests: 6, input_tokens: 180, output_tokens: 30 } });
    for (const name of ["background", "Background", "bac\\u212aground"]) {
      await expectError(call(`{"${name}":true}`, chat), 400, "invalid_request");
    }
  });

  test("are bounds of a call in any case", async () => {
    const usage = { input_tokens: 1, output_tokens: 1 };
    let release: () => void = () => {};
    provider.respond(async (response) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      answerJson(response, { model: CLAUDE, usage });
    });
    await setOrganization({ max_model_tokens: 1_000_000 });
    const body = `{"Model":"${CLAUDE}","MAX_TOKEN\\u0053":1000,"messages":[{"Role":"user","Content":[{"Type":"text"}]}]}`;
    const answer = call(body);
    await expect.poll(() => provider.calls.length).toBe(1);
    const [row] = await queryAsOwner<{ tokens: string }>(
      app,
      "select tokens from model_reservations where org_id = $1",
      [org.id],
    );
    expect(Number(row?.tokens)).toBe(body.length + 1000);
    release();
    expect((await answer).status).toBe(200);
  });

  test.each([
    '{"stream":false,"stream":true}',
    '{"stream":false,"Stream":true}',
    '{"stream":false,"\\u0073tream":true}',
    '{"stream":false,"ſtream":true}',
    '{"model":"gpt-5","MODEL":"gpt-5-pro"}',
    '{"model":"gpt-5" , "mod\\u0065l" : "gpt-5-pro"}',
    '{"a":{"b":[1,{"model":"]"}]},"model":"}\\"{","model":"x"}',
    '{"stream_options":{"include_usage":true,"Include_Usage":false}}',
    '{"messages":[{"content":[{"type":"text","Type":"url"}]}]}',
    '{"messages":[{"content":[{"source":{"url":"a","URL":"b"}}]}]}',
    '{"tools":[{"type":"function","type":"web_search"}]}',
    '{"__proto__":1,"__proto__":2}',
  ])("of %s are doubled", async (body) => {
    const { message } = await expectError(call(body, chat), 400, "invalid_request");
    expect(message).toContain("is doubled");
    expect(provider.calls).toEqual([]);
  });

  test("stay as they are where they are not read", async () => {
    answerAMillion();
    const body = `{"model":"gpt-5","metadata":{"a":1,"A":2},"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"path":"a","Path":"b"}}]}],"tools":[{"type":"function","function":{"parameters":{"properties":{"id":{},"ID":{}}}}}]}`;
    expect((await call(body, chat)).status).toBe(200);
    expect(provider.calls[0]?.body).toBe(body);
  });

  test("levels and parts are limited", async () => {
    answerAMillion();
    const nested = (levels: number): string =>
      `{"model":"gpt-5","a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
    expect((await call(nested(MAX_DEPTH), chat)).status).toBe(200);
    await expectError(call(nested(MAX_DEPTH + 1), chat), 400, "invalid_request");
    const wide = (members: number): string => {
      const more = Array.from({ length: members - 1 }, (_, nth) => `"m${nth}":0`);
      return `{"model":"gpt-5",${more.join(",")}}`;
    };
    expect((await call(wide(MAX_MEMBERS), chat)).status).toBe(200);
    await expectError(call(wide(MAX_MEMBERS + 1), chat), 400, "invalid_request");
    // The request itself is one.
    const long = (parts: number): object => ({
      model: "gpt-5",
      messages: Array.from({ length: parts - 1 }, () => ({})),
    });
    expect((await call(long(MAX_PARTS), chat)).status).toBe(200);
    await expectError(call(long(MAX_PARTS + 1), chat), 400, "invalid_request");
  });
});

test("headers and parameters that steer billing or routing are not sent on", async () => {
  answerAMillion();
  const kept = {
    accept: "text/event-stream",
    "anthropic-beta": "context-1m",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
    "openai-beta": "responses=v1",
    originator: "codex_cli_rs",
    session_id: "01995b3e",
    "user-agent": "claude-cli/2.0.1",
    "x-app": "cli",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
  };
  const dropped = {
    "anthropic-workspace-id": "wrkspc_1",
    "api-key": "other",
    "chatgpt-account-id": "acct_1",
    "http-referer": "https://a.example",
    "openai-organization": "org-1",
    "openai-project": "proj_1",
    "x-goog-api-key": "other",
    "x-goog-user-project": "another",
    "x-http-method": "DELETE",
    "x-http-method-override": "DELETE",
    "x-method-override": "DELETE",
    "x-original-url": "/v1/files",
    "x-rewrite-url": "/v1/files",
    "x-title": "App",
  };
  const parameters =
    "beta=true&key=other&$httpMethod=DELETE&%24httpMethod=DELETE&alt=sse&_method=DELETE&api-version=2024-10-21&account=1&b%65ta=false";
  const path = `anthropic/v1/messages?${parameters}`;
  const answer = await call({ model: CLAUDE }, { path, headers: { ...kept, ...dropped } });
  expect(answer.status).toBe(200);
  const [received] = provider.calls;
  expect(received?.path).toBe("/v1/messages?beta=true&api-version=2024-10-21");
  expect(received?.headers).toMatchObject({ ...kept, "x-api-key": KEY });
  expect(Object.keys(received?.headers ?? {}).filter((name) => name in dropped)).toEqual([]);
});

describe("the key of the provider", () => {
  test("is masked in a stream, in whatever pieces it comes, and delays nothing else", async () => {
    const next: (() => void)[] = [];
    const stop = (): Promise<void> => new Promise((resolve) => void next.push(resolve));
    provider.respond(async (response) => {
      beginStream(response);
      response.write("data: one\n\n");
      await stop();
      response.write(`data: {"a":"${KEY.slice(0, 7)}`);
      await stop();
      for (const byte of Buffer.from(`${KEY.slice(7)} ${KEY.replace("/", "\\/")}"}\n\n`)) {
        response.write(Buffer.of(byte));
      }
      response.end(`data: ${KEY}${KEY}\n\ndata: ${KEY.slice(0, -1)}`);
    });
    const answer = await call({ model: CLAUDE });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    const read = async (): Promise<string> => (await reader?.read())?.value ?? "";
    expect(await read()).toBe("data: one\n\n");
    next.shift()?.();
    // Nothing is held back but what begins the key.
    expect(await read()).toBe('data: {"a":"');
    await expect.poll(() => next.length).toBe(1);
    next.shift()?.();
    let rest = "";
    for (let text = await read(); text !== ""; text = await read()) rest += text;
    expect(rest).toBe(`*** ***"}\n\ndata: ******\n\ndata: ${KEY.slice(0, -1)}`);
  });

  test("is masked in an answer, which is counted", async () => {
    provider.respond((response, { headers }) => {
      const usage = { input_tokens: 3, output_tokens: 4 };
      answerJson(response, { model: CLAUDE, echo: headers["x-api-key"], usage });
    });
    const answer = await call({ model: CLAUDE });
    expect(await answer.json()).toMatchObject({ echo: "***" });
    const { data } = await owner.api.runs.get({ params: { run_id: live.run.id } });
    expect(data.model_usage).toMatchObject({ input_tokens: 3, output_tokens: 4 });
  });
});
