/** Budgets under calls at once, by two server processes. */
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { startLiveRun, type LiveRun } from "#test/support/models/live-run.js";
import {
  answerJson,
  beginStream,
  event,
  startModelServer,
  type ModelServer,
} from "#test/support/models/model-server.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { largestCall, MAX_OUTPUT_TOKENS } from "../../../models/call-estimate.js";
import { RESERVED_RETRY_SECONDS } from "./budget.js";
import { createReservations } from "./reservations.js";

const CLAUDE = "claude-sonnet-4-5";

let apps: TestApp[];
let provider: ModelServer;
let owner: TestPerson;
let org: Organization;
let project: Project;
let live: LiveRun;
/** Answers of the provider that wait. */
let held: (() => void)[];

beforeAll(async () => {
  provider = await startModelServer();
  const first = await startTestApp(
    { OMOI_MODEL_PRIVATE_HOSTS: "true", OMOI_RUN_STOP_GRACE_SECONDS: "1" },
    "real",
  );
  apps = [first, await first.sibling()];
  owner = await first.person("Ada");
});
afterAll(async () => {
  for (const app of apps.toReversed()) await app.close();
  await provider.close();
});
beforeEach(async () => {
  org = await makeOrganization(owner);
  project = await makeProject(owner, org.id);
  for (const name of ["anthropic", "openai"]) {
    await owner.api.organizationSecrets.set({
      params: { org_id: org.id, name: name.toUpperCase() },
      body: { kind: "model", provider: name, value: "the-key", base_url: provider.url },
    });
  }
  live = await startLiveRun(owner, project.id);
  provider.calls.length = 0;
  held = [];
  return async () => {
    await live.end();
  };
});

type ProviderName = "anthropic" | "openai";
interface CallOptions {
  /** Of the process. */
  nth?: number;
  of?: ProviderName;
  token?: string;
}

const pathOf: Record<ProviderName, string> = { anthropic: "messages", openai: "responses" };
/** Calls by one of the processes. */
function call(
  body: object,
  { nth = 0, of = "anthropic", token = live.token }: CallOptions = {},
): Promise<Response> {
  return fetch(`${apps[nth % apps.length]?.url}/models/${of}/v1/${pathOf[of]}`, {
    method: "POST",
    headers: { "x-api-key": token, "content-type": "application/json" },
    body: JSON.stringify({ model: CLAUDE, ...body }),
  });
}

/** Each answer uses `tokens`, and waits for its release. */
function answerHeld(tokens: number): void {
  const usage = { input_tokens: tokens - 100, output_tokens: 100 };
  provider.respond(async (response) => {
    await new Promise<void>((resolve) => held.push(resolve));
    answerJson(response, { type: "message", model: CLAUDE, usage });
  });
}
function answerAtOnce(tokens: number): void {
  const usage = { input_tokens: tokens, output_tokens: 0 };
  provider.respond((response) => answerJson(response, { model: CLAUDE, usage }));
}

const setBudget = (body: object) =>
  owner.api.organizations.update({ params: { org_id: org.id }, body });

async function spent(): Promise<{ tokens: number; cost_nanousd: number }> {
  const [row] = await queryAsOwner<{ tokens: string; cost_nanousd: string }>(
    apps[0] as TestApp,
    "select tokens, cost_nanousd from model_spending where owner_id = $1",
    [org.id],
  );
  return { tokens: Number(row?.tokens ?? 0), cost_nanousd: Number(row?.cost_nanousd ?? 0) };
}
const reserved = async (): Promise<number> =>
  (
    await queryAsOwner(apps[0] as TestApp, "select from model_reservations where org_id = $1", [
      org.id,
    ])
  ).length;

interface ErrorBody {
  type?: string;
  error: { type: string; code: string; message: string };
}
async function errorOf(answer: Response) {
  const { error } = (await answer.json()) as ErrorBody;
  return {
    status: answer.status,
    code: error.code,
    type: error.type,
    retryAfter: Number(answer.headers.get("retry-after")),
    shouldRetry: answer.headers.get("x-should-retry"),
  };
}

/** Makes 50 calls at once, releases those that were let through, and returns all answers. */
async function callFifty(body: object, of: ProviderName = "anthropic") {
  const refused: Response[] = [];
  const passed: Promise<Response>[] = [];
  const all = Array.from({ length: 50 }, async (_, nth) => {
    const answer = call(body, { nth, of });
    passed.push(answer);
    if ((await answer).status !== 200) refused.push(await answer);
    return answer;
  });
  await expect.poll(() => held.length + refused.length).toBe(50);
  const calls = held.length;
  for (const release of held) release();
  const answers = await Promise.all(all);
  await Promise.all(answers.filter(({ status }) => status === 200).map((each) => each.text()));
  return { calls, refused };
}

describe("a budget and 50 calls at once by two processes", () => {
  // A call reserves its bytes and 900 tokens, a little more than the 950 that it uses.
  test("ends above it by less than one call, in tokens", async () => {
    await setBudget({ max_model_tokens: 10_000 });
    answerHeld(950);
    const { calls, refused } = await callFifty({ max_tokens: 900 });
    expect(calls).toBeGreaterThanOrEqual(9);
    expect(calls).toBeLessThanOrEqual(11);
    expect((await spent()).tokens).toBe(calls * 950);
    for (const answer of refused) {
      expect(await errorOf(answer)).toEqual({
        status: 429,
        code: "budget_exceeded",
        type: "rate_limit_error",
        retryAfter: RESERVED_RETRY_SECONDS,
        shouldRetry: null,
      });
    }
    expect(await reserved()).toBe(0);
    // The rest is used one after the other.
    answerAtOnce(950);
    for (let left = 11; left > calls; left -= 1) {
      expect((await call({ max_tokens: 900 })).status).toBe(200);
    }
    const last = await errorOf(await call({ max_tokens: 900 }));
    expect(last).toMatchObject({ status: 429, code: "budget_exceeded", shouldRetry: "false" });
    expect(last.retryAfter).toBeGreaterThan(RESERVED_RETRY_SECONDS);
    expect((await spent()).tokens).toBe(11 * 950);
  });

  test("ends above it by less than one call, in dollars", async () => {
    // Sonnet: at most 0.0135 dollars for 900 tokens out, and 0.00025 for the request.
    await setBudget({ max_model_cost_usd: 0.1 });
    provider.respond(async (response) => {
      await new Promise<void>((resolve) => held.push(resolve));
      const usage = { input_tokens: 10, output_tokens: 900 };
      answerJson(response, { type: "message", model: CLAUDE, usage });
    });
    const { calls } = await callFifty({ max_tokens: 900 });
    expect(calls).toBeGreaterThanOrEqual(7);
    expect(calls).toBeLessThanOrEqual(8);
    expect((await spent()).cost_nanousd).toBeLessThan((0.1 + 0.014) * 1e9);
  });

  test("lets one call through if each may use all of it, in OpenAI's form", async () => {
    await setBudget({ max_model_tokens: 10_000 });
    answerHeld(500);
    const { calls, refused } = await callFifty({}, "openai");
    expect(calls).toBe(1);
    expect(await errorOf(refused[0] as Response)).toMatchObject({
      code: "budget_exceeded",
      type: "requests",
    });
    expect((await spent()).tokens).toBe(500);
    await setBudget({ max_model_tokens: 400 });
    expect(await errorOf(await call({}, { of: "openai" }))).toMatchObject({
      code: "budget_exceeded",
      type: "insufficient_quota",
    });
  });

  test("does not hold back calls that use nothing", async () => {
    await setBudget({ max_model_tokens: 1000 });
    answerHeld(200);
    const first = call({ max_tokens: 100 });
    await expect.poll(() => held.length).toBe(1);
    provider.respond((response) => answerJson(response, { input_tokens: 3 }));
    const url = `${apps[1]?.url}/models/anthropic/v1/messages/count_tokens`;
    const counted = await fetch(url, {
      method: "POST",
      headers: { "x-api-key": live.token, "content-type": "application/json" },
      body: JSON.stringify({ model: CLAUDE, messages: [] }),
    });
    expect(counted.status).toBe(200);
    await counted.text();
    for (const release of held) release();
    expect((await first).status).toBe(200);
  });

  test("does not hold back the calls of another agent without a budget", async () => {
    await owner.api.agents.update({
      params: { agent_id: live.agent.id },
      body: { max_model_tokens: 1000 },
    });
    answerHeld(500);
    const first = call({});
    await expect.poll(() => held.length).toBe(1);
    expect((await call({}, { nth: 1 })).status).toBe(429);
    const other = await startLiveRun(owner, project.id);
    const free = call({}, { token: other.token });
    await expect.poll(() => held.length).toBe(2);
    for (const release of held) release();
    expect((await first).status).toBe(200);
    expect((await free).status).toBe(200);
    await other.end();
  });
});

describe("a reservation", () => {
  beforeEach(() => setBudget({ max_model_tokens: 10_000 }));

  test("ends with a call that is refused or fails", async () => {
    provider.respond((response) => answerJson(response, { error: {} }, 529));
    for (let nth = 0; nth < 3; nth += 1) expect((await call({}, { nth })).status).toBe(529);
    provider.respond((response) => {
      response.destroy();
    });
    for (let nth = 0; nth < 3; nth += 1) expect((await call({}, { nth })).status).toBe(502);
    expect(await reserved()).toBe(0);
    expect(await spent()).toEqual({ tokens: 0, cost_nanousd: 0 });
    const wrong = await fetch(`${apps[0]?.url}/models/anthropic/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": live.token },
      body: "[]",
    });
    expect((await errorOf(wrong)).code).toBe("invalid_request");
  });

  test("of a killed process lapses", async () => {
    await queryAsOwner(
      apps[0] as TestApp,
      `insert into model_reservations values
        (gen_random_uuid(), $1, $2, $3, 10000, 0, now() + interval '3 seconds'),
        (gen_random_uuid(), $1, $2, $3, 10000, 0, now() - interval '2 hours')`,
      [org.id, project.id, live.agent.id],
    );
    answerAtOnce(10);
    expect((await call({})).status).toBe(429);
    await expect.poll(async () => (await call({})).status).toBe(200);
    // Those of long ago are deleted.
    await expect.poll(reserved).toBe(1);
  });

  test("is renewed until its call ends", async () => {
    const { db } = apps[0] as TestApp;
    const own = createReservations(db, {}, pino({ level: "silent" }), 50);
    const run = { id: live.run.id, orgId: org.id, agentId: live.agent.id };
    const made = await own.make(run, { projectId: project.id, provider: "anthropic" }, largestCall);
    const isHeld = async (): Promise<boolean> => {
      answerAtOnce(10);
      return (await call({})).status === 429;
    };
    expect(await isHeld()).toBe(true);
    // As after a pause of the process.
    await queryAsOwner(
      apps[0] as TestApp,
      "update model_reservations set expires_at = now() - interval '1 minute' where id = $1",
      [made.id],
    );
    await expect.poll(isHeld).toBe(true);
    await own.release(made);
    expect(await isHeld()).toBe(false);
    own.close();
  });

  test("counts for a call whose use stays unknown, in the budget only", async () => {
    provider.respond((response) => answerJson(response, { text: "no usage" }));
    await (await call({ max_tokens: 700 })).text();
    const unknown = (await spent()).tokens;
    expect(unknown).toBeGreaterThan(700);
    expect(unknown).toBeLessThan(800);
    provider.respond((response) => {
      beginStream(response);
      const message = { model: CLAUDE, usage: { input_tokens: 10, output_tokens: 1 } };
      response.write(event({ type: "message_start", message }));
      setTimeout(() => response.destroy(), 100);
    });
    await expect((await call({ max_tokens: 700 })).text()).rejects.toThrow();
    expect((await spent()).tokens).toBe(2 * unknown);
    const { data } = await owner.api.runs.get({ params: { run_id: live.run.id } });
    expect(data.model_usage).toMatchObject({ input_tokens: 10, output_tokens: 1, requests: 2 });
    // Without a limit of the request it is the largest answer.
    provider.respond((response) => answerJson(response, { text: "no usage" }));
    await (await call({})).text();
    expect((await spent()).tokens).toBeGreaterThan(MAX_OUTPUT_TOKENS);
    expect((await call({})).status).toBe(429);
  });
});
