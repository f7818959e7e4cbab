import { Readable } from "node:stream";
import type { ChangeFeed } from "../../../../db/cache/changes.js";
import type { LogAccess, LogCaller } from "./log-access.js";
import type { InTurn, LogReader } from "./log-reader.js";

/** What a followed file belongs to. */
export interface Followed {
  /** Whether nothing more will be written. */
  isOver: boolean;
  /** The data of the event `end`. */
  json: string;
}

/** A follower of a log, or of the transcript of a session, and its position. */
export interface Follower {
  /** The id of the run or the session. */
  id: string;
  /** Null for a build. */
  agentId: string | null;
  /** The name of the events. */
  event: "log" | "update";
  /** Returns the data of the event of an entry; null for an entry without one. By default the entry itself. */
  dataOf?: (entry: string) => string | null;
  state: Followed;
  /** Opens the file; null while it does not exist. */
  openFile: (inTurn: InTurn) => Promise<LogReader | null>;
  reader: LogCaller;
  /** Returns the current state; null when the caller may no longer see it. */
  look: () => Promise<Followed | null>;
  /** `Last-Event-ID` of a resumed stream. */
  lastEventId: string | null;
}

export interface LogStreams {
  /** @throws AppError 429, 503 when too many logs are open */
  open(follower: Follower): Readable;
  /** Notifies this process's followers that a log or a transcript has grown. */
  written(id: string): void;
  /** Ends all streams; clients reconnect. */
  close(): void;
}

interface InterruptibleWait {
  /** Waits. Returns whether the run may have changed meanwhile. */
  take(ms: number): Promise<boolean>;
  end(hasChanged: boolean): void;
}

interface OpenStream {
  id: string;
  /** Null for a build. */
  agentId: string | null;
  nap: InterruptibleWait;
}

const aliveMs = 15_000;
/** Polling interval of a file that another process may write. */
const lookMs = 200;
/** Interval of checks whether the run has ended and the caller may still see it. */
const askMs = 2000;

/**
 * Server-Sent Events (WHATWG HTML, section 9.2) read from the log file at the client's speed: a slow
 * client delays no run and misses no line.
 */
export function createLogStreams(changes: ChangeFeed, access: LogAccess): LogStreams {
  const open = new Set<OpenStream>();
  let closed = false;
  const unsubscribe = changes.subscribe((change) => {
    if (change !== null && change.table !== "runs" && change.table !== "agent_sessions") return;
    for (const { agentId, nap } of open) {
      if (change === null || change.id === agentId) nap.end(true);
    }
  });

  async function* eventsOf(follower: Follower, nap: InterruptibleWait): AsyncGenerator<string> {
    const { openFile, look, lastEventId, event, dataOf = (entry: string) => entry } = follower;
    let reader: LogReader | null = null;
    let said = Date.now();
    let asked = 0;
    let state: Followed | null = follower.state;
    // Sent immediately, so that the client knows that it is connected.
    yield "retry: 1000\n\n";
    try {
      let offset: number | null = null;
      let mayHaveChanged = true;
      for (;;) {
        if (closed) return;
        if (mayHaveChanged || Date.now() - asked >= askMs) {
          state = await look();
          asked = Date.now();
        }
        if (!state) return;
        // Read before the file: after the end, the file is complete.
        const { isOver, json } = state;
        reader ??= await openFile(access.inTurn(follower.reader.orgId));
        if (reader) {
          offset ??= await positionOf(reader, lastEventId);
          for (;;) {
            const { lines, end } = await reader.read(offset);
            if (lines.length === 0) break;
            offset = end;
            said = Date.now();
            yield lines
              .map((line) => {
                const data = dataOf(line.text);
                return data === null ? "" : eventOf(event, data, line.end);
              })
              .join("");
            if (Date.now() - asked >= askMs) {
              if (!(await look())) return;
              asked = Date.now();
            }
          }
        }
        if (isOver) {
          yield eventOf("end", json, offset ?? 0);
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
      const { id, agentId } = follower;
      const leave = access.enter(follower.reader);
      const nap = createWait();
      const entry: OpenStream = { id, agentId, nap };
      const stream = Readable.from(eventsOf(follower, nap), { objectMode: false });
      open.add(entry);
      stream.once("close", () => {
        leave();
        open.delete(entry);
        nap.end(true);
      });
      return stream;
    },
    written: (id) => {
      for (const stream of open) if (stream.id === id) stream.nap.end(false);
    },
    close: () => {
      closed = true;
      unsubscribe();
      for (const { nap } of open) nap.end(true);
    },
  };
}

/** Creates a wait with a timeout that can be interrupted, also in advance. */
function createWait(): InterruptibleWait {
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

/** Returns the position where an earlier stream ended, or the beginning if it is invalid. */
async function positionOf(reader: LogReader, lastEventId: string | null): Promise<number> {
  const offset = /^\d{1,15}$/.test(lastEventId ?? "") ? Number(lastEventId) : 0;
  return (await reader.isBoundary(offset)) ? offset : 0;
}
