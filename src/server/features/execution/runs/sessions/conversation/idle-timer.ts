import type { SessionRecord, ConversationInput } from "./session-record.js";
import { requestStop } from "../../../run-ends/index.js";
import { countWaiting } from "../inputs.queries.js";
import { lockSession } from "../sessions.queries.js";

/** Time without a turn after which a program is ended that can take up the session again. */
const IDLE_MS = 15 * 60_000;

/** Creates the timer that ends a program that has nothing to do and can take up the session again. */
export function createIdleTimer(
  { db, log, session, runId }: ConversationInput,
  record: SessionRecord,
  isWorking: () => boolean,
) {
  const { id, org_id } = session;
  let timer: NodeJS.Timeout | undefined;
  const restart = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      db.tenant(org_id, async (tx) => {
        const stored = await lockSession(tx, id);
        const isBusy = isWorking() || (await countWaiting(tx, id)) > 0;
        if (isBusy || stored?.resumes_by == null) return;
        const detail = "The session was idle; its next prompt starts the program again.";
        await requestStop(tx, { id: runId }, "succeeded", detail);
      })
        .catch((error: unknown) => {
          log.warn({ err: error, session: id }, "cannot end the program of an idle session");
        })
        .finally(() => {
          if (!record.isClosed && !record.hasFailed) restart();
        });
    }, IDLE_MS).unref();
  };
  return { restart, stop: (): void => clearTimeout(timer) };
}
