/** Records the connections of one run: in its list, its counts and its log. */
import { publish } from "#shared/node/measurements.js";
import { newId } from "#shared/node/new-id.js";
import type { EgressConnection } from "./run-connections.js";

/** Listed connections and counts to be added to a run's. */
export interface NewEgress {
  connections: readonly (EgressConnection & { id: string })[];
  allowed: number;
  denied: number;
}

/** Listed connections of a run; more are only counted. */
export const MAX_LISTED = 1000;
/** Different reasons in the log. */
const MAX_LOGGED = 50;
const FLUSH_MS = 1000;

export interface EgressRecorder {
  add(connection: EgressConnection): void;
  /** Writes the rest; after an error it can be called again. */
  close(): Promise<void>;
}

export interface RecorderOptions {
  /** Writes connections and counts; a failed write is tried again with the next one. */
  store: (egress: NewEgress) => Promise<void>;
  /** Appends a line to the run's log. */
  log: (text: string) => void;
  /** Removes the run's secrets from a text. */
  mask: (text: string) => string;
}

export function recordEgress({ store, log, mask }: RecorderOptions): EgressRecorder {
  let pending: NewEgress["connections"] = [];
  let counts = { allowed: 0, denied: 0 };
  let listed = 0;
  const logged = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  let isClosed = false;

  const write = async (): Promise<void> => {
    const egress = { connections: pending, ...counts };
    if (egress.connections.length + egress.allowed + egress.denied === 0) return;
    pending = [];
    counts = { allowed: 0, denied: 0 };
    try {
      await store(egress);
    } catch (error) {
      pending = [...egress.connections, ...pending];
      counts = {
        allowed: counts.allowed + egress.allowed,
        denied: counts.denied + egress.denied,
      };
      throw error;
    }
  };
  const flush = (): void => {
    timer = undefined;
    writing = writing.then(write).catch(() => undefined);
  };
  const logReason = (reason: string): void => {
    if (logged.has(reason) || logged.size > MAX_LOGGED) return;
    logged.add(reason);
    if (logged.size <= MAX_LOGGED) log(`egress: ${reason}`);
    else log("egress: further connections are listed with the run");
  };

  return {
    add: ({ host, reason: clause, ...connection }) => {
      if (isClosed) return;
      const { decision } = connection;
      const reason = clause === null ? null : mask(clause);
      if (decision !== "failed") counts[decision] += 1;
      if (decision === "denied") publish("egressDenied", { connections: 1 });
      if (listed < MAX_LISTED) {
        listed += 1;
        pending = [...pending, { ...connection, host: mask(host), reason, id: newId() }];
      }
      if (reason !== null) logReason(reason);
      timer ??= setTimeout(flush, FLUSH_MS).unref();
    },
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
