/** Records the connections of one run: in its list, its counts and its log. */
import type { EgressConnection } from "./egress-proxy.js";
import type { NewEgress } from "./egress.queries.js";

/** Listed connections of a run; more are only counted. */
export const MAX_LISTED = 1000;
/** Different denials that the log names. */
const MAX_SAID = 50;
const FLUSH_MS = 1000;

export interface EgressRecorder {
  add(connection: EgressConnection): void;
  /** Writes what is left. */
  close(): Promise<void>;
}

/**
 * @param store writes connections and counts; a failed write is tried again with the next one
 * @param say appends a line to the run's log
 */
export function recordEgress(
  store: (egress: NewEgress) => Promise<void>,
  say: (text: string) => void,
): EgressRecorder {
  let pending: EgressConnection[] = [];
  let counts = { allowed: 0, denied: 0 };
  let listed = 0;
  const said = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  let isClosed = false;

  const write = async (): Promise<void> => {
    const egress = { connections: pending, ...counts };
    if (egress.allowed + egress.denied === 0) return;
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
  const sayDenial = (reason: string): void => {
    if (said.has(reason) || said.size > MAX_SAID) return;
    said.add(reason);
    if (said.size <= MAX_SAID) say(`egress: ${reason}`);
    else say("egress: further denials are listed with the run");
  };

  return {
    add: (connection) => {
      if (isClosed) return;
      counts[connection.denied === null ? "allowed" : "denied"] += 1;
      if (listed < MAX_LISTED) {
        listed += 1;
        pending.push(connection);
      }
      if (connection.denied !== null) sayDenial(connection.denied);
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
