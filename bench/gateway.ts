import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { shell } from "#test/support/fixtures/runs.js";
import type { Client } from "#shared/contract/client.js";
import {
  interleave,
  median,
  ms,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { startModelProvider, type ModelRequest } from "./support/model-provider.js";
import { withServer } from "./support/server.js";

const rounds = 200;
const mostMs = 5;
/** Bytes of a prompt: a first question, and a long conversation. */
const prompts = [1024, 512 * 1024] as const;
const streams = 100;
const events = 50;
const gapMs = 20;
const streamRounds = 5;

/** The cost of the way to a model through the gateway. */
export const gateway: Benchmark = {
  name: "gateway",
  method:
    "A provider in a process of its own streams messages in Anthropic's format, without thinking first. " +
    "The benchmark's process calls it directly, and through the gateway with the token of a waiting run in " +
    "the sandbox, over kept connections, without TLS. First token: from the request to the first event with " +
    `text, medians of ${rounds} alternating rounds; brackets give the interquartile range of the difference. Streams: ${streams} ` +
    `requests at once, each answered by ${events} events with text ${gapMs} ms apart, in ${streamRounds} ` +
    "alternating rounds; the time is the whole one of all streams. A stream is complete if each event arrived " +
    "once and in order, and the end. A stream is buffered if its first event arrived after its last one was " +
    "sent. The delay of an event is from the provider's write to its arrival, by the clock of the machine.",
  run: async (folder, log) => {
    const provider = await startModelProvider();
    const options = {
      dataDir: join(folder, "data"),
      env: { OMOI_MODEL_PRIVATE_HOSTS: "true", OMOI_MODEL_CALLS_PER_MINUTE: "100000" },
    };
    try {
      return await withServer(options, async (server, api) => {
        const { data: state } = await api.sandbox.get();
        if (state.mode === "unavailable") {
          log(`no sandbox available: ${state.reason}`);
          return [];
        }
        const token = await startWaitingRun(api, provider.url);
        const targets = {
          direct: { url: `${provider.url}/messages`, token: "" },
          gateway: { url: `${server.url}/models/anthropic/v1/messages`, token },
        };
        const rows: Row[] = [];
        for (const bytes of prompts) {
          log(`first tokens of prompts of ${bytes} bytes`);
          rows.push(await firstTokens(targets, bytes));
        }
        log("streams");
        rows.push(...(await manyStreams(targets)));
        return rows;
      });
    } finally {
      provider.stop();
    }
  },
};

interface Target {
  url: string;
  token: string;
}
type Targets = Record<"direct" | "gateway", Target>;

/** Starts a run that waits, and returns its token. */
async function startWaitingRun(api: Client, base_url: string): Promise<string> {
  const { data: organization } = await api.organizations.create({ body: { name: "Models" } });
  await api.organizationSecrets.set({
    params: { org_id: organization.id, name: "ANTHROPIC_KEY" },
    body: { kind: "model", provider: "anthropic", value: "sk-ant-of-the-benchmark", base_url },
  });
  const { data: project } = await api.projects.create({
    body: { organization_id: organization.id, name: "Project" },
  });
  const { data: agent } = await api.agents.create({
    body: { project_id: project.id, name: "worker-1" },
  });
  const params = { agent_id: agent.id };
  const { data: workspace } = await api.workspaces.create({ params });
  const script = 'printf %s "$OMOI_TOKEN" > token.new; mv token.new token; sleep 600';
  await api.runs.create({ params, body: { command: shell(script) } });
  const file = join(workspace.working_directory as string, "token");
  const giveUp = Date.now() + 30_000;
  for (;;) {
    const token = await readFile(file, "utf8").catch(() => null);
    if (token !== null) return token;
    if (Date.now() > giveUp) throw new Error("the run did not write its token");
    await pause(20);
  }
}

/** An event with text. */
interface Arrival {
  number: number;
  sentAt: number;
  arrivedAt: number;
}

/** Sends a request; yields its events with text as they arrive. @throws if the stream has no end */
async function* ask({ url, token }: Target, request: ModelRequest): AsyncGenerator<Arrival> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "x-api-key": token, "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  if (answer.status !== 200 || !answer.body) throw new Error(await answer.text());
  let rest = "";
  let isEnded = false;
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    const arrivedAt = performance.timeOrigin + performance.now();
    const parts = (rest + chunk).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const data = JSON.parse(/^data: (.*)$/m.exec(part)?.[1] ?? "") as StreamEvent;
      if (data.type === "message_stop") isEnded = true;
      if (data.delta?.text === undefined) continue;
      yield { ...(JSON.parse(data.delta.text) as Omit<Arrival, "arrivedAt">), arrivedAt };
    }
  }
  if (!isEnded || rest !== "") throw new Error("the stream ended early");
}

interface StreamEvent {
  type: string;
  delta?: { text?: string };
}

const requestOf = (max_tokens: number, bytes: number): ModelRequest => ({
  model: "claude-sonnet-4-5-20250929",
  stream: true,
  max_tokens,
  gapMs,
  prompt: "word ".repeat(bytes / 5),
});

async function firstTokens(targets: Targets, bytes: number): Promise<Row> {
  const request = requestOf(2, bytes);
  const measure = (target: Target) => async (): Promise<number> => {
    const begin = performance.timeOrigin + performance.now();
    let first: number | undefined;
    for await (const { arrivedAt } of ask(target, request)) first ??= arrivedAt;
    return (first ?? Number.NaN) - begin;
  };
  const figures = await interleave(rounds, {
    direct: measure(targets.direct),
    gateway: measure(targets.gateway),
  });
  const [ours, theirs] = [median(figures.gateway), median(figures.direct)];
  const more = figures.gateway.map((took, round) => took - (figures.direct[round] ?? Number.NaN));
  const [low, high] = [partOf(more, 0.25), partOf(more, 0.75)];
  return {
    label: `First token, with a prompt of ${bytes / 1024} KiB`,
    result: preciseMs(ours),
    baseline: `${preciseMs(theirs)}, direct`,
    ratio: `${preciseMs(ours - theirs)} more (${low.toFixed(2)}–${high.toFixed(2)})`,
    target: `at most ${mostMs} ms more`,
    met: ours - theirs <= mostMs,
  };
}

const preciseMs = (value: number): string => `${value.toFixed(2)} ms`;

/** The results of the streams of one target. */
interface Outcome {
  complete: number;
  buffered: number;
  failures: Set<string>;
  delays: number[];
}

const newOutcome = (): Outcome => ({ complete: 0, buffered: 0, failures: new Set(), delays: [] });

async function manyStreams(targets: Targets): Promise<Row[]> {
  const outcomes = { direct: newOutcome(), gateway: newOutcome() };
  const measure = (name: keyof Targets) => (round: number) =>
    timed(async () => {
      // The first round warms up.
      const outcome = round === 0 ? newOutcome() : outcomes[name];
      const all = Array.from({ length: streams }, () => follow(targets[name], outcome));
      await Promise.all(all);
    });
  const figures = await interleave(streamRounds, {
    direct: measure("direct"),
    gateway: measure("gateway"),
  });
  const { direct, gateway: ours } = outcomes;
  const total = streams * streamRounds;
  const failure = [...ours.failures][0];
  const took = { ours: median(figures.gateway), direct: median(figures.direct) };
  return [
    {
      label: `${streams} streams at once, ${streamRounds} times`,
      result:
        `${ours.complete} of ${total} complete, ${ours.buffered} buffered` +
        (failure === undefined ? "" : ` (${failure})`),
      baseline: `${direct.complete} of ${total} complete, direct`,
      ratio: "",
      target: "all complete, none buffered",
      met: ours.complete === total && ours.buffered === 0,
    },
    {
      label: "… until all have ended",
      result: ms(took.ours),
      baseline: `${ms(took.direct)}, direct`,
      ratio: times(took.ours / took.direct),
      target: "",
      met: null,
    },
    {
      label: "… delay of an event",
      result: delayOf(ours),
      baseline: `${delayOf(direct)}, direct`,
      ratio: "",
      target: "",
      met: null,
    },
  ];
}

async function follow(target: Target, outcome: Outcome): Promise<void> {
  const arrivals: Arrival[] = [];
  try {
    for await (const arrival of ask(target, requestOf(events, 1024))) arrivals.push(arrival);
  } catch (error) {
    outcome.failures.add((error as Error).message);
    return;
  }
  const [first, last] = [arrivals[0], arrivals.at(-1)];
  const inOrder = arrivals.every(({ number }, index) => number === index);
  if (inOrder && arrivals.length === events) outcome.complete += 1;
  else outcome.failures.add(`${arrivals.length} of ${events} events, or not in order`);
  if (!first || !last || first.arrivedAt >= last.sentAt) outcome.buffered += 1;
  outcome.delays.push(...arrivals.map(({ sentAt, arrivedAt }) => arrivedAt - sentAt));
}

function delayOf({ delays }: Outcome): string {
  return `p50 ${ms(median(delays))}, p99 ${ms(partOf(delays, 0.99))}`;
}

/** Returns the value below which a part of the values lies. */
function partOf(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.round((sorted.length - 1) * part)] ?? Number.NaN;
}
