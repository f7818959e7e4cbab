import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { makeSmallMerge } from "#test/support/fixtures/hostile-merges.js";
import type { Client } from "#shared/contract/client.js";
import { ms, times, type Benchmark, type Row } from "../support/harness.js";
import { withServer } from "../support/server.js";
import { undisturbed } from "../support/stolen-time.js";
import { attacks, type AttackName } from "./attack-list.js";
import { startAttack } from "./attackers.js";
import { work, type Innocent, type Latencies } from "./innocent.js";

const seconds = 20;
const tenants = 10;
const most = 3;
/** Time for an attack to take effect before it is measured. */
const COOLDOWN_MS = 3000;

/** The latencies of one organization while others attack. */
export const attacking: Benchmark = {
  name: "attacks",
  method:
    "An organization reads its project, changes its description, previews a merge of a YAML file of ten bytes and lists the " +
    "branches by git, 50, 5, 2.5 and 5 times a second, each by an API key and from a process of its own, for " +
    `${seconds} s before and during an attack of another tenant, on a server of its own for each attack; latencies count from the planned time of a ` +
    "request. p95 during the attack against p95 before it. Ratio: the worst of the four. The attackers run with " +
    `the lowest priority, since they stand for other machines. Measured again if the hypervisor took processor time ` +
    `meanwhile. All at once: ${tenants} tenants, the attacks in turn.`,
  run: async (folder, log) => {
    const names = Object.keys(attacks) as AttackName[];
    const all = Array.from({ length: tenants }, (_, at) => names[at % names.length] as AttackName);
    const rounds = [
      ...names.map((name) => ({ label: attacks[name].label, names: [name] })),
      { label: `${tenants} tenants at once`, names: all },
    ];
    const rows: Row[] = [];
    for (const [at, round] of rounds.entries()) {
      log(round.label);
      const row = await withServer({ dataDir: join(folder, String(at)) }, async (server, api) => {
        const innocent = await makeInnocent(server.url, api);
        await work(innocent, 3);
        return measure(innocent, server.url, round, log);
      });
      rows.push(row);
    }
    return rows;
  },
};

const formatted = (latency: number): string => (Number.isFinite(latency) ? ms(latency) : "failed");

async function makeInnocent(url: string, api: Client): Promise<Innocent> {
  const { id } = await makeOrganization({ api });
  const params = await makeSmallMerge({ api }, id);
  const { data: agent } = await api.agents.get({ params });
  const { data: project } = await api.projects.get({ params: { project_id: agent.project_id } });
  const { data } = await api.apiKeys.create({ body: { name: "innocent", scopes: ["*:*"] } });
  const one = `${url}/api/v1/projects/${project.id}`;
  const preview = `${url}/api/v1/agents/${agent.id}/workspace/merge-preview`;
  return {
    key: data.key as string,
    requests: [
      { kind: "read", method: "GET", url: one, everyMs: 20 },
      { kind: "change", method: "PATCH", url: one, body: { description: "text" }, everyMs: 200 },
      { kind: "preview", method: "POST", url: preview, body: {}, everyMs: 400 },
      {
        kind: "git",
        method: "GET",
        url: `${project.clone_url}/info/refs?service=git-upload-pack`,
        everyMs: 200,
      },
    ],
  };
}

async function measure(
  innocent: Innocent,
  url: string,
  { label, names }: { label: string; names: readonly AttackName[] },
  log: (line: string) => void,
): Promise<Row> {
  const before = await undisturbed(() => work(innocent, seconds), log);
  const running = await Promise.all(names.map((name) => startAttack(url, name)));
  await pause(COOLDOWN_MS);
  const during = await undisturbed(() => work(innocent, seconds), log);
  for (const attack of running) await attack.stop();
  const kinds = innocent.requests.map(({ kind }) => kind);
  const figures = kinds.map((kind) => {
    const quiet = p95Of(before, kind);
    const busy = p95Of(during, kind);
    return { kind, quiet, busy, ratio: busy / quiet };
  });
  const worst = Math.max(...figures.map(({ ratio }) => ratio));
  log(
    figures
      .map(({ kind, quiet, busy }) => `${kind} ${formatted(quiet)} → ${formatted(busy)}`)
      .join(", "),
  );
  return {
    label,
    result: figures.map(({ kind, busy }) => `${kind} ${formatted(busy)}`).join(", "),
    baseline: figures.map(({ kind, quiet }) => `${kind} ${formatted(quiet)}`).join(", "),
    ratio: times(worst),
    target: `at most ${most} ×`,
    met: worst <= most,
  };
}

/** Returns the 95th percentile in milliseconds; infinite if more than five percent failed. */
function p95Of(latencies: Latencies, kind: string): number {
  const sorted = (latencies[kind] ?? [])
    .map((latency) => latency ?? Number.POSITIVE_INFINITY)
    .toSorted((a, b) => a - b);
  const found = sorted[Math.ceil(sorted.length * 0.95) - 1];
  if (found === undefined) throw new Error(`${kind} was not measured`);
  return found;
}
