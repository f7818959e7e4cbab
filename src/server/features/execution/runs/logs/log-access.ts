import { fairSlots } from "#shared/node/fair-slots.js";
import { AppError } from "../../../../errors.js";
import type { InTurn } from "./log-reader.js";

/** The reader of a log. */
export interface LogCaller {
  orgId: string;
  /** Identifies the user or agent. */
  caller: string;
}

/** Limits concurrent log readers and schedules their reads. */
export interface LogAccess {
  /**
   * Counts a reader until the returned function is called.
   * @throws AppError 429 when the caller or the organization has too many, 503 when the server has
   */
  enter(reader: LogCaller): () => void;
  /** Schedules reads fairly between organizations. */
  inTurn(orgId: string): InTurn;
}

/**
 * Maximum open logs per caller, per organization and in total. Each uses about 200 KB of memory, even
 * for a slow client.
 */
const most = { caller: 100, organization: 200, all: 1000 };
/** Concurrent reads, because parsing them blocks other requests. */
const reads = { slots: 2, perOwner: 1 };

export function createLogAccess(): LogAccess {
  const open = new Set<LogCaller>();
  const turns = fairSlots(reads);
  const refuse = (code: "rate_limited" | "unavailable", detail: string): never => {
    throw new AppError(code, detail, { headers: { "retry-after": "5" } });
  };
  return {
    enter: (reader) => {
      let [ofCaller, ofOrganization] = [0, 0];
      for (const { caller, orgId } of open) {
        if (caller === reader.caller) ofCaller += 1;
        if (orgId === reader.orgId) ofOrganization += 1;
      }
      if (ofCaller >= most.caller) {
        refuse("rate_limited", `At most ${most.caller} logs at once; close another one first.`);
      }
      if (ofOrganization >= most.organization) {
        const limit = `An organization can have at most ${most.organization} logs open`;
        refuse("rate_limited", `${limit}; try again after others were closed.`);
      }
      if (open.size >= most.all) {
        refuse("unavailable", "Too many logs are open; try again in a moment.");
      }
      // A separate entry: one caller may read one log twice.
      const entry = { ...reader };
      open.add(entry);
      return () => open.delete(entry);
    },
    inTurn: (orgId) => async (work) => {
      const free = await turns.take(orgId);
      try {
        return await work();
      } finally {
        free();
      }
    },
  };
}
