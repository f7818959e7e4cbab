import type { Logger } from "pino";
import type { Database } from "../../../../db/connection/connect.js";
import { readUsage } from "../usage.queries.js";
import * as queries from "./limits.queries.js";
import type { LimitLevel, LimitUse } from "./limits.queries.js";

const WATCH_MS = 60_000;
/** The first check of a process looks at runs of this long. */
const FIRST_MS = 24 * 60 * 60 * 1000;
/** Overlaps the checks, so that no run falls between two of them. */
const OVERLAP_MS = 60_000;
/** The part of a limit from which on it is near. */
const NEAR = 0.8;
/** With fewer agents, four fifths of them are everyday use. */
const FEWEST_AGENTS = 5;

/** Records events of limits that are nearly or completely used up, once a minute in one process. */
export function watchLimits(db: Database, log: Logger): { stop(): Promise<void> } {
  let since = new Date(Date.now() - FIRST_MS);
  let checking: Promise<void> | null = null;
  const check = async (): Promise<void> => {
    const started = Date.now();
    await db.tryLock("limits", () => checkLimits(db, since));
    since = new Date(started - OVERLAP_MS - WATCH_MS);
  };
  const timer = setInterval(() => {
    checking ??= check()
      .catch((error: unknown) => log.warn({ err: error }, "limits were not checked"))
      .finally(() => {
        checking = null;
      });
  }, WATCH_MS);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await checking;
    },
  };
}

/**
 * Compares limits with their use. The cost grows with organizations that have runs and with budgets, not with what
 * has happened before.
 * @param since runs that ended before are not looked at
 */
export async function checkLimits(db: Database, since: Date): Promise<void> {
  const [active, budgets] = await db.withSystemTx("find limits that may be near", async (tx) => [
    await queries.listActiveOrganizations(tx, since),
    await queries.listChangedBudgets(tx),
  ]);
  for (const orgId of active) await checkQuotas(db, orgId);
  for (const use of budgets) await record(db, use);
}

function record(db: Database, use: LimitUse): Promise<void> {
  return db.tenant(use.org_id, (tx) => queries.recordLimit(tx, use));
}

/** Compares the run hours and the concurrent agents of an organization with their limits. */
async function checkQuotas(db: Database, orgId: string): Promise<void> {
  const uses = await db.tenant(orgId, async (tx): Promise<LimitUse[]> => {
    const usage = await readUsage(tx, orgId);
    if (!usage) return [];
    const { name: owner_name, levels } = await queries.readQuotaStates(tx, orgId);
    const { runtime_hours: hours, concurrent_agents: agents } = usage;
    const common = { org_id: orgId, owner_id: orgId, owner: "organization", owner_name } as const;
    const isFull = agents.current >= agents.limit && (await queries.hasQueue(tx, orgId));
    const isNear = agents.limit >= FEWEST_AGENTS && agents.current >= agents.limit * NEAR;
    const all: LimitUse[] = [
      {
        ...common,
        name: "runtime_hours",
        used: hours.current,
        limit: hours.limit,
        level: levelOf(hours.current, hours.limit),
      },
      {
        ...common,
        name: "concurrent_agents",
        used: agents.current,
        limit: agents.limit,
        level: isFull ? 100 : isNear ? 80 : 0,
      },
    ];
    return all.filter(({ name, level }) => level !== (levels.get(name) ?? 0));
  });
  for (const use of uses) await record(db, use);
}

function levelOf(used: number, limit: number): LimitLevel {
  if (limit <= 0 || used < limit * NEAR) return 0;
  return used >= limit ? 100 : 80;
}
