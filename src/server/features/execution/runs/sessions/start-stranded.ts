import { restoreContext } from "../../../../http/requests/restored-context.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { AppError } from "../../../../errors.js";
import type { RunDeps } from "../run-deps.js";
import { countWaiting, listStranded, type StrandedSession } from "./inputs.queries.js";
import { lockSession, type StoredSession, updateSession } from "./sessions.queries.js";
import { startProgram } from "./start-session.js";

/**
 * Starts the programs of an organization's sessions whose prompts wait for one, each on behalf of its oldest prompt. A job;
 * a session whose program cannot start tells why, and is tried again with the next one.
 */
export async function startStranded(
  deps: RunDeps,
  { org_id: orgId }: { org_id: string },
): Promise<void> {
  const { db, supervisor, log } = deps;
  const stranded = await db.tenant(orgId, (tx) => listStranded(tx, db.node.id));
  for (const waiting of stranded) {
    if (!supervisor.accepts || (await db.maintenance()) !== null) return;
    try {
      const session = await db.tenant(orgId, (tx) => lockStranded(tx, waiting));
      if (!session) continue;
      await startProgram(deps, await restoreContext(db, waiting, "agent:run"), session);
    } catch (error) {
      // The request of a prompt starts it at the same time.
      if (error instanceof AppError && error.code === "run_in_progress") continue;
      if (error instanceof AppError) await explain(deps, waiting, error);
      else
        log.warn(
          { err: error, session: waiting.id },
          "a program that prompts wait for cannot start",
        );
      if (error instanceof AppError && error.code === "quota_exceeded") return;
    }
  }
}

/** Returns a session, with its row locked, if prompts still wait for its program. */
async function lockStranded(
  tx: Queryable,
  { id }: StrandedSession,
): Promise<StoredSession | undefined> {
  const session = await lockSession(tx, id);
  return session?.isRunning === false && (await countWaiting(tx, id)) > 0 ? session : undefined;
}

function explain({ db }: RunDeps, stranded: StrandedSession, error: AppError): Promise<void> {
  const detail = `A prompt waits, since the program could not start: ${error.message}`;
  return db.tenant(stranded.org_id, async (tx) => {
    const session = await lockStranded(tx, stranded);
    if (session && session.detail !== detail) await updateSession(tx, session.id, { detail });
  });
}
