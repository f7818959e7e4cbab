import { fairSlots } from "#shared/node/fair-slots.js";
import { AppError } from "../../../errors.js";
import type { InTurn } from "./log-reader.js";

/** Who reads a log. */
export interface LogCaller {
  orgId: string;
  /** The person or agent. */
  caller: string;
}

/** How many read logs at the same time, and in which order they do. */
export interface LogAccess {
  /**
   * Counts a reader until the answer is called.
   * @throws AppError 429 where the caller or the organization, 503 where the server has too many
   */
  enter(reader: LogCaller): () => void;
  /** Reads in turn with other organizations. */
  inTurn(orgId: string): InTurn;
}

/** Open logs of one caller, of an organization, and of all: each holds some 200 KB, however slow it is. */
const most = { caller: 100, organization: 200, all: 1000 };
/** Reads at the same time: parsing what was read takes the time of all other requests. */
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
        refuse("rate_limited", `At most ${most.caller} logs at once; close one of the others.`);
      }
      if (ofOrganization >= most.organization) {
        const limit = `At most ${most.organization} logs of an organization at once`;
        refuse("rate_limited", `${limit}; try again when others were closed.`);
      }
      if (open.size >= most.all) {
        refuse("unavailable", "Too many logs are being read; try again in a moment.");
      }
      // An entry of its own: the same caller may read the same log twice.
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
