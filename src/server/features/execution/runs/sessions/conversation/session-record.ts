/** The row and the transcript of a session while its program runs. */
import type { TaskChanges } from "#shared/api/work/tasks.js";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type { Database, Queryable } from "../../../../../db/connection/connect.js";
import { isDatabaseUnavailable } from "../../../../../db/connection/failures.js";
import * as queries from "../sessions.queries.js";
import type { SessionRow } from "../sessions.queries.js";
import type { Mask } from "../session-updates.js";
import { openTranscript, TranscriptFullError, type Transcript } from "../transcript.js";
import { reasonOf } from "./session-failures.js";

/** Pause before the database is tried again. */
const RETRY_MS = 500;

export interface ConversationInput {
  db: Database;
  log: Logger;
  session: SessionRow;
  runId: string;
  masker: Masker;
  /** The path of the transcript. */
  path: string;
  /** Called when the transcript has grown. */
  written: () => void;
  /** Commits what a turn has changed, before the turn counts as ended. */
  saveTurn: () => Promise<TaskChanges | null>;
  /** Ends the run. */
  end: (status: "succeeded" | "failed", detail: string) => void;
}

export type SessionRecord = ReturnType<typeof createRecord>;

/**
 * Creates the record of a session, which its first failure ends.
 * @param stopReading called with the failure: messages that wait to be read are not
 */
export function createRecord(input: ConversationInput, mask: Mask, stopReading: () => void) {
  const { db, log, session, runId, masker, end } = input;
  const { id, org_id } = session;
  let transcript: Transcript | null = null;
  let isClosed = false;
  let hasFailed = false;
  /** Updates are applied one after another. */
  let applied: Promise<unknown> = Promise.resolve();

  /** Writes to the database; an outage is waited for, as by the run itself. */
  const persist = async <Result>(
    work: (tx: Queryable) => Promise<Result>,
  ): Promise<Result | undefined> => {
    for (;;) {
      try {
        return await db.tenant(org_id, work);
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
        if (isClosed) return undefined;
        log.warn({ err: error, session: id }, "a session waits for the database");
        await pause(RETRY_MS);
      }
    }
  };
  const save = (changes: Parameters<typeof queries.updateSession>[2]): Promise<void> =>
    persist((tx) => queries.updateSession(tx, id, changes, runId));

  /** Does one thing after another; a failure ends the session, and what follows is left undone. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
    const result = applied.then(async () => {
      try {
        return hasFailed ? undefined : await work();
      } catch (error) {
        fail(error);
        return undefined;
      }
    });
    applied = result;
    return result;
  };

  const fail = (error: unknown): void => {
    if (hasFailed || isClosed) return;
    hasFailed = true;
    stopReading();
    const reason = reasonOf(error, mask);
    if (reason === null) log.error({ err: error, session: id }, "a session failed");
    const detail = masker.mask(
      reason ??
        "The server could not go on with the session; the operator can find the cause in its log.",
    );
    applied = recordFailure(error, detail);
    end("failed", detail);
  };

  const recordFailure = async (error: unknown, detail: string): Promise<void> => {
    try {
      await applied;
      const isFull = error instanceof TranscriptFullError;
      if (!isFull) await transcript?.add({ type: "status", status: "failed", detail });
      await save({ status: "failed", detail, permissions: [] });
    } catch (failure) {
      log.error({ err: failure, session: id }, "cannot record the failure of a session");
    }
  };

  return {
    /** Opens the transcript. Returns false if the conversation has ended meanwhile. */
    open: async (): Promise<boolean> => {
      const opened = await openTranscript({ ...input, failed: fail });
      if (isClosed) await opened.close();
      else transcript = opened;
      return !isClosed;
    },
    /** Null until it is open. */
    get transcript() {
      return transcript;
    },
    get isClosed() {
      return isClosed;
    },
    get hasFailed() {
      return hasFailed;
    },
    persist,
    save,
    inTurn,
    fail,
    /** Appends an event to the transcript. Resolves when it is in the file. */
    add: async (event: Parameters<Transcript["add"]>[0]) => transcript?.add(event),
    /** Takes no more failures: the conversation ends. */
    end: (): void => {
      isClosed = true;
    },
    /** Writes everything and closes the transcript. */
    close: async (): Promise<void> => {
      await applied.catch(() => undefined);
      await transcript?.close().catch((error: unknown) => {
        log.error({ err: error, session: id }, "cannot close a transcript");
      });
    },
  };
}
