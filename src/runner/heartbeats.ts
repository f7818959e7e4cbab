/** Heartbeats: they extend the leases of runs, and bring requests to end them. */
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { shortGraceMs } from "#execution/execute-run.js";
import { RUNNER_HEARTBEAT_SECONDS } from "#shared/execution/runner/protocol.js";
import type { RemoteRun } from "./remote-run.js";
import { RefusedError, type ServerConnection } from "./server-connection.js";

/** Without an answer for this long, the server has ended the runs long since. */
const MAX_SILENCE_MS = 15 * 60_000;

export interface Heartbeats {
  /** The server has answered another request. */
  answered(): void;
  /** Resolves once they have ended. */
  readonly done: Promise<void>;
}

/**
 * Sends heartbeats of the runs in progress until `closing`.
 * @param unknown called when the server does not know the token
 */
export function sendHeartbeats(
  server: Pick<ServerConnection, "heartbeat">,
  live: ReadonlyMap<string, RemoteRun>,
  { log, closing, unknown }: { log: Logger; closing: AbortSignal; unknown: (e: unknown) => void },
): Heartbeats {
  let lastAnswer = performance.now();
  const heartbeat = async (): Promise<void> => {
    const runs = [...live.values()].map(({ runId, output }) => ({
      run_id: runId,
      output_bytes: output.bytes,
      output_truncated: output.truncated,
    }));
    if (runs.length === 0) return;
    const replies = await server.heartbeat({ runs });
    lastAnswer = performance.now();
    for (const reply of replies.runs) {
      const run = live.get(reply.run_id);
      if (reply.state === "gone") run?.abandon();
      if (reply.state !== "stop") continue;
      const { status, detail } = reply;
      run?.end({ status, detail }, status === "quota_exceeded" ? shortGraceMs : run.stopGraceMs);
    }
  };
  const beat = async (): Promise<void> => {
    while (!closing.aborted) {
      try {
        await heartbeat();
      } catch (error) {
        log.warn({ err: error }, "the server did not answer a heartbeat");
        if (isUnknown(error)) unknown(error);
        if (isUnknown(error) || performance.now() - lastAnswer > MAX_SILENCE_MS) {
          for (const run of live.values()) run.abandon();
        }
      }
      await pause(RUNNER_HEARTBEAT_SECONDS * 1000, undefined, { signal: closing }).catch(
        () => undefined,
      );
    }
  };
  return {
    answered: () => {
      lastAnswer = performance.now();
    },
    done: beat(),
  };
}

/** Whether the server does not know the token: the runner was removed. */
export function isUnknown(error: unknown): boolean {
  return error instanceof RefusedError && error.status === 401;
}
