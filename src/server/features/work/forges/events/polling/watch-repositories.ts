/** Reads linked repositories: every 30 s or as the forge's limits allow, and every 10 minutes beside webhooks. */
import { AppError } from "../../../../../errors.js";
import { ForgeError } from "../../forge.js";
import { inTurns } from "../../in-turns.js";
import type { WorkDeps } from "../work-deps.js";
import { ACTIVE_SECONDS, pollIntervals, RECONCILE_SECONDS } from "./poll-intervals.js";
import { keepHook, readRepository } from "./read-repository.js";
import * as queries from "./repositories.queries.js";
import type { DueRepository } from "./repositories.queries.js";

const LOOK_MS = 1000;
/** Pause after a refusal, in seconds. */
const REFUSED_SECONDS = 10 * 60;
const UNREACHABLE_SECONDS = 60;

export function watchRepositories(deps: WorkDeps, lookMs = LOOK_MS): { stop(): Promise<void> } {
  const { db, log } = deps;
  const ending = new AbortController();
  const connections = inTurns(async (key) => {
    const [orgId = "", forgeId = ""] = key.split(" ");
    try {
      while (!ending.signal.aborted && (await db.maintenance()) === null) {
        const found = await db.tenant(orgId, (tx) =>
          queries.nextDueRepository(tx, forgeId, db.node.id, ACTIVE_SECONDS),
        );
        if (!found) return;
        await readNext(deps, found.due, found);
      }
    } catch (error) {
      log.warn({ err: error, forge: forgeId }, "cannot read the repositories of a forge");
    }
  });
  let looking: Promise<void> | null = null;
  const look = (): void => {
    looking ??= db
      .withSystem("find repositories to read", (tx) => queries.listDueConnections(tx, db.node.id))
      .then((due) => {
        for (const { org_id, forge_id } of due) connections.request(`${org_id} ${forge_id}`);
      })
      .catch((error: unknown) => log.warn({ err: error }, "cannot look at linked repositories"))
      .finally(() => {
        looking = null;
      });
  };
  const timer = setInterval(look, lookMs);
  timer.unref();
  look();
  return {
    stop: async () => {
      ending.abort();
      clearInterval(timer);
      await looking;
      await connections.end();
    },
  };
}

async function readNext(
  deps: WorkDeps,
  due: DueRepository,
  counts: { repositories: number; active: number },
): Promise<void> {
  const { db, log } = deps;
  const { org_id, project_id, kind, delivery, name } = due;
  const next = (seconds: number, changes = {}): Promise<void> =>
    db.tenant(org_id, (tx) => queries.updateRepository(tx, project_id, changes, seconds));
  try {
    let isChanged = false;
    try {
      isChanged = await readRepository(deps, due);
    } finally {
      // It comes second, since its events are about what is new; also where issues are disabled.
      await keepHook(deps, due);
    }
    // What changed between the first reading and the hook is read now.
    if (due.first_issues === null) return await next(0);
    const intervals = pollIntervals(kind, counts);
    const seconds = isChanged || due.is_active ? intervals.active : intervals.idle;
    await next(
      delivery === "webhook" ? RECONCILE_SECONDS : seconds,
      isChanged ? { active_at: new Date().toISOString() } : {},
    );
  } catch (error) {
    const isForge = error instanceof ForgeError || error instanceof AppError;
    const isAway = error instanceof ForgeError && error.failure === "unreachable";
    log[isForge ? "debug" : "warn"]({ err: error, repository: name }, "cannot read a repository");
    const asked = error instanceof ForgeError ? error.retryAfterSeconds : null;
    await next(asked ?? (isAway ? UNREACHABLE_SECONDS : REFUSED_SECONDS));
  }
}
