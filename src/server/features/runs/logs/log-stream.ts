import { Readable } from "node:stream";
import type { Run } from "#shared/api/runs.js";
import type { ChangeFeed } from "../../../db/cache/changes.js";
import type { LogAccess, LogCaller } from "./log-access.js";
import { openLogReader, type LogReader } from "./log-reader.js";

/** Who follows a log, and from where. */
export interface Follower {
  run: Run;
  path: string;
  reader: LogCaller;
  /** The run as it is now; null where the caller may not see it any more. */
  look: () => Promise<Run | null>;
  /** `Last-Event-ID` of a stream that is taken up again. */
  lastEventId: string | null;
}

export interface LogStreams {
  /** @throws AppError 429, 503 where too many logs are open */
  open(follower: Follower): Readable;
  /** Tells the followers here that a log has grown. */
  written(runId: string): void;
  /** Ends all streams; clients come back by themselves. */
  close(): void;
}

interface Nap {
  /** Waits; whether the run may have changed meanwhile. */
  take(ms: number): Promise<boolean>;
  end(hasChanged: boolean): void;
}

interface OpenStream {
  runId: string;
  agentId: string;
  nap: Nap;
}

const aliveMs = 15_000;
/** How often the file is looked at that another process may write. */
const lookMs = 200;
/** How often it is asked whether the run has ended and the caller may still see it. */
const askMs = 2000;

/**
 * Streams of Server-Sent Events (WHATWG HTML, section 9.2), read from the log's file as fast as the
 * client takes them: nobody who is slow holds up the run, or loses a line.
 */
export function createLogStreams(changes: ChangeFeed, access: LogAccess): LogStreams {
  const open = new Set<OpenStream>();
  let closed = false;
  const unsubscribe = changes.subscribe((change) => {
    if (change !== null && change.table !== "runs") return;
    for (const { agentId, nap } of open) {
      if (change === null || change.id === agentId) nap.end(true);
    }
  });

  async function* eventsOf(follower: Follower, nap: Nap): AsyncGenerator<string> {
    const { path, look, lastEventId } = follower;
    let reader: LogReader | null = null;
    let said = Date.now();
    let asked = 0;
    let run: Run | null = follower.run;
    // Sent at once, so that the client knows that it listens.
    yield "retry: 1000\n\n";
    try {
      let offset: number | null = null;
      let mayHaveChanged = true;
      for (;;) {
        if (closed) return;
        if (mayHaveChanged || Date.now() - asked >= askMs) {
          run = await look();
          asked = Date.now();
        }
        if (!run) return;
        // Asked before the file is read: what is there then is all there will be.
        const isOver = run.ended_at !== null;
        reader ??= await openLogReader(path, access.inTurn(follower.reader.orgId));
        if (reader) {
          offset ??= await positionOf(reader, lastEventId);
          for (;;) {
            const { lines, end } = await reader.read(offset);
            if (lines.length === 0) break;
            offset = end;
            said = Date.now();
            yield lines.map((line) => eventOf("log", line.text, line.end)).join("");
            if (Date.now() - asked >= askMs) {
              if (!(await look())) return;
              asked = Date.now();
            }
          }
        }
        if (isOver) {
          yield eventOf("end", JSON.stringify(run), offset ?? 0);
          return;
        }
        if (Date.now() - said >= aliveMs) {
          said = Date.now();
          yield ":\n\n";
        }
        mayHaveChanged = await nap.take(lookMs);
      }
    } finally {
      await reader?.close();
    }
  }

  return {
    open: (follower) => {
      const { run } = follower;
      const leave = access.enter(follower.reader);
      const nap = createNap();
      const entry: OpenStream = { runId: run.id, agentId: run.agent_id, nap };
      const stream = Readable.from(eventsOf(follower, nap), { objectMode: false });
      open.add(entry);
      stream.once("close", () => {
        leave();
        open.delete(entry);
        nap.end(true);
      });
      return stream;
    },
    written: (runId) => {
      for (const one of open) if (one.runId === runId) one.nap.end(false);
    },
    close: () => {
      closed = true;
      unsubscribe();
      for (const { nap } of open) nap.end(true);
    },
  };
}

/** A wait of some time at most that others may end, also ahead. */
function createNap(): Nap {
  let ended = false;
  let changed = false;
  let wake: (() => void) | null = null;
  return {
    take: async (ms) => {
      if (!ended) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = null;
      }
      const told = changed;
      ended = false;
      changed = false;
      return told;
    },
    end: (hasChanged) => {
      ended = true;
      changed ||= hasChanged;
      wake?.();
    },
  };
}

function eventOf(event: string, data: string, id: number): string {
  return `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`;
}

/** Where an earlier stream ended; the beginning where that is no place in this log. */
async function positionOf(reader: LogReader, lastEventId: string | null): Promise<number> {
  const offset = /^\d{1,15}$/.test(lastEventId ?? "") ? Number(lastEventId) : 0;
  return (await reader.isBoundary(offset)) ? offset : 0;
}
