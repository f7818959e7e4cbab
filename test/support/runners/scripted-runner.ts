import { randomUUID } from "node:crypto";
import {
  hashRunnerToken,
  generateRunnerToken,
} from "#server/features/execution/runners/manage-runners.js";
import {
  RUNNER_PATH,
  RUNNER_PROTOCOL,
  type HeartbeatReplies,
  type OfferRequest,
  type RunEnd,
  type RunnerJob,
} from "#shared/execution/runner/protocol.js";
import { queryAsOwner } from "../database/queries.js";
import type { TestApp } from "../server/app.js";

/** An answer of the protocol. */
export interface RunnerAnswer<Body = unknown> {
  status: number;
  headers: Headers;
  body: Body;
}

/** A runner whose every request is written by the test. */
export interface ScriptedRunner {
  id: string;
  name: string;
  token: string;
  /** The same runner at another address. */
  at(app: Pick<TestApp, "url">): ScriptedRunner;
  /** Sends a request below the path of the protocol; an object is sent as JSON. */
  send<Body = unknown>(
    method: string,
    path: string,
    request?: { body?: unknown; type?: string; signal?: AbortSignal },
  ): Promise<RunnerAnswer<Body>>;
  /** Asks for runs; by default it has ten free slots and does not wait. */
  ask(request?: Partial<OfferRequest>, signal?: AbortSignal): Promise<string[]>;
  start(runId: string): Promise<RunnerAnswer<RunnerJob>>;
  /** Asks for runs until it is offered one, and starts it. */
  take(request?: Partial<OfferRequest>): Promise<RunnerJob>;
  heartbeat(runId: string): Promise<HeartbeatReplies["runs"][number]>;
  end(runId: string, end?: Partial<RunEnd>): Promise<RunnerAnswer>;
}

/** The last two members of a path in URLs of runs. */
export const ofRun = (runId: string, call: string): string => `/runs/${runId}/${call}`;

export const succeeded: RunEnd = {
  outcome: "succeeded",
  exit_code: 0,
  detail: "Its command exited normally.",
  result: null,
  peak_memory_bytes: null,
  cpu_seconds: null,
  output_bytes: 0,
  output_truncated: false,
  repository_error: null,
};

/** Registers a runner. */
export async function registerRunner(
  app: TestApp,
  { orgId = null, name = `runner-${randomUUID()}` }: { orgId?: string | null; name?: string } = {},
): Promise<ScriptedRunner> {
  const { runner, insert } = newRunner(app.url, app.db.verificationKey, name, orgId);
  await queryAsOwner(app, insert);
  return runner;
}

/** Returns a runner, and the statement that registers it. */
export function newRunner(
  url: string,
  verificationKey: string,
  name: string,
  orgId: string | null,
): { runner: ScriptedRunner; insert: string } {
  const token = generateRunnerToken();
  const id = randomUUID();
  const hash = hashRunnerToken(verificationKey, token).toString("hex");
  const org = orgId === null ? "null" : `'${orgId}'`;
  return {
    runner: scriptedRunner(url, { id, name, token }),
    insert: `insert into runners (id, name, org_id, token_hash) values ('${id}', '${name}', ${org}, '\\x${hash}')`,
  };
}

/** Returns the runner of a token. */
export function scriptedRunner(
  url: string,
  { id, name, token }: Pick<ScriptedRunner, "id" | "name" | "token">,
): ScriptedRunner {
  const send: ScriptedRunner["send"] = async (method, path, { body, type, signal } = {}) => {
    const isJson = type === undefined && body !== undefined;
    const response = await fetch(`${url}${RUNNER_PATH}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { "content-type": type ?? "application/json" }),
      },
      ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as BodyInit) }),
      ...(signal && { signal }),
    });
    const text = await response.text();
    const isParsed = response.headers.get("content-type")?.includes("json") ?? false;
    const parsed: unknown = isParsed ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, body: parsed as never };
  };
  const start: ScriptedRunner["start"] = (runId) => send("POST", ofRun(runId, "start"));
  const ask: ScriptedRunner["ask"] = async (request = {}, signal) => {
    const body: OfferRequest = {
      protocol: RUNNER_PROTOCOL,
      labels: [],
      networks: ["none", "restricted", "full"],
      slots: 10,
      free: 10,
      version: "0.2.0",
      host: "runner.example",
      wait_seconds: 0,
      ...request,
    };
    const answer = await send<{ runs: string[] }>("POST", "/offers", {
      body,
      ...(signal && { signal }),
    });
    if (answer.status !== 200) throw new Error(`offers: ${JSON.stringify(answer.body)}`);
    return answer.body.runs;
  };
  return {
    id,
    name,
    token,
    at: (app) => scriptedRunner(app.url, { id, name, token }),
    send,
    ask,
    start,
    take: async (request) => {
      for (;;) {
        const [runId] = await ask({ free: 1, wait_seconds: 5, ...request });
        if (runId === undefined) continue;
        const { status, body } = await start(runId);
        if (status !== 200) throw new Error(`start: ${JSON.stringify(body)}`);
        return body;
      }
    },
    heartbeat: async (runId) => {
      const runs = [{ run_id: runId, output_bytes: 0, output_truncated: false }];
      const { body } = await send<HeartbeatReplies>("POST", "/heartbeats", { body: { runs } });
      return body.runs[0] as HeartbeatReplies["runs"][number];
    },
    end: (runId, end) => send("POST", ofRun(runId, "end"), { body: { ...succeeded, ...end } }),
  };
}
