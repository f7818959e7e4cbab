import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "#shared/contract/client.js";
import type { Journal } from "./journal.js";
import { MAX_CONCURRENT_AGENTS, type World } from "./world.js";

/** Longest wait for the last runs in milliseconds: a lease of a runner, the time after it, and waiting runs. */
const RUNS_TIMEOUT_MS = 180_000;

/** Waits until no run is queued or running. Returns those that do not end. */
export async function untilRunsEnded({ installation: { postgres } }: World): Promise<string[]> {
  const deadline = Date.now() + RUNS_TIMEOUT_MS;
  for (;;) {
    const open = await postgres.query<{ run: string }>(
      `select concat_ws(' ', r.id, r.status, r.kind, r.detail, n.name, r.lease_expires_at) as run
       from runs r left join agents a on a.id = r.agent_id
       left join projects p on p.id = a.project_id left join nodes n on n.id = p.home_node
       where r.ended_at is null or (r.status = 'lost' and r.is_unsaved)`,
    );
    if (open.length === 0) return [];
    if (Date.now() > deadline) return open.map(({ run }) => `the run ${run} does not end`);
    await pause(300);
  }
}

interface RunRow {
  id: string;
  status: string;
  exit_code: number | null;
  detail: string | null;
  script: string;
}

/** The text that only the command of this run writes (`nextName`). */
const MARKER = /run-[0-9a-f]{12}/;

/** Every acknowledged run has one row and a true end, and no other run has two. */
export async function checkRuns(
  { installation: { postgres } }: World,
  journal: Journal,
): Promise<string[]> {
  const faults: string[] = [];
  const rows = await postgres.query<RunRow>(
    "select id, status, exit_code, detail, array_to_string(command, ' ') as script from runs",
  );
  const byMarker = new Map<string, RunRow[]>();
  for (const row of rows) {
    const marker = MARKER.exec(row.script)?.[0] ?? "";
    byMarker.set(marker, [...(byMarker.get(marker) ?? []), row]);
  }
  const rowsOf = (marker: string): RunRow[] => byMarker.get(marker) ?? [];
  for (const { id, marker, isStopped } of journal.runs) {
    const [row, ...more] = rowsOf(marker);
    if (row?.id !== id || more.length > 0) {
      faults.push(`${marker} is not the one run ${id}`);
      continue;
    }
    const { status, exit_code, detail } = row;
    const isTrue =
      status === "lost" ||
      (status === "succeeded" && exit_code === 0) ||
      (status === "stopped" && isStopped);
    if (!isTrue) faults.push(`${marker} has ended as ${status} (${exit_code}): ${detail}`);
  }
  for (const marker of journal.unknownRuns) {
    if (rowsOf(marker).length > 1) faults.push(`${marker} has more than one run`);
  }
  return faults;
}

/** Longest wait for figures that agree: a server whose network returned may begin a run late. */
const QUOTAS_TIMEOUT_MS = 30_000;

/**
 * No more agents than permitted ran at the same time, and the hours are the sum of all runs. Compares again while a
 * run that began late goes on. Returns the differences that stay.
 */
export async function checkQuotas(world: World, api: Client): Promise<string[]> {
  const deadline = Date.now() + QUOTAS_TIMEOUT_MS;
  for (;;) {
    const faults = await compareQuotas(world, api);
    if (faults.length === 0 || Date.now() > deadline) return faults;
    await pause(500);
  }
}

async function compareQuotas(
  { installation: { postgres }, organizationId }: World,
  api: Client,
): Promise<string[]> {
  const faults: string[] = [];
  const [figures] = await postgres.query<{ most: number; hours: number }>(
    `with spans as (
       select started_at, greatest(ended_at, started_at) as ended_at from runs
       where org_id = $1 and started_at is not null)
     select (select max(n)::int from (
         select (select count(*) from spans o where o.started_at <= s.started_at and o.ended_at > s.started_at) as n
         from spans s) counts) as most,
       round((sum(extract(epoch from ended_at - started_at)) / 3600)::numeric, 4)::float8 as hours
     from spans`,
    [organizationId],
  );
  const { most, hours } = figures ?? { most: 0, hours: 0 };
  if (most > MAX_CONCURRENT_AGENTS) faults.push(`${most} agents ran at the same time`);
  const { data } = await api.usage.get({ params: { org_id: organizationId } });
  const { concurrent_agents, runtime_hours } = data;
  if (concurrent_agents.current !== 0) {
    faults.push(`the usage has ${concurrent_agents.current} agents with a run`);
  }
  if (runtime_hours.current !== hours) {
    faults.push(`the usage has ${runtime_hours.current} hours, and its runs ${hours}`);
  }
  return faults;
}
