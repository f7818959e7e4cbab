import { sql } from "drizzle-orm";
import { genesisHash } from "#shared/organization/audit.js";
import { eventHash } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { readChain } from "./audit.queries.js";

/** The verification result of one organization's chain. */
export interface ChainReport {
  orgId: string;
  slug: string;
  events: number;
  /** The hash of the last event. Kept elsewhere, it later detects truncation. */
  head: string;
  /** The sequences of altered events, with reasons. */
  faults: { sequence: number; reason: string }[];
}

const step = 1000;

/** The head of a chain as reported by an earlier verification. */
export type ChainHead = Pick<ChainReport, "orgId" | "events" | "head">;

/**
 * Verifies the chains of all organizations. Requires a connection that sees them all.
 * @param earlier heads of earlier verifications, which must still be in their chains
 */
export async function verifyChains(
  db: Queryable,
  earlier: readonly ChainHead[],
): Promise<ChainReport[]> {
  const { rows } = await db.execute<{ id: string; slug: string }>(
    sql`select id, slug from organizations order by slug`,
  );
  const reports: ChainReport[] = [];
  for (const { id, slug } of rows) {
    const known = earlier.find(({ orgId }) => orgId === id);
    reports.push(await verifyChain(db, id, slug, known));
  }
  const gone = earlier.filter(({ orgId }) => !rows.some(({ id }) => id === orgId));
  return [
    ...reports,
    ...gone.map(({ orgId }) => ({
      orgId,
      slug: orgId,
      events: 0,
      head: genesisHash,
      faults: [{ sequence: 1, reason: "the organization is missing" }],
    })),
  ];
}

async function verifyChain(
  db: Queryable,
  orgId: string,
  slug: string,
  known: ChainHead | undefined,
): Promise<ChainReport> {
  let sequence = 0;
  let head = genesisHash;
  const faults: ChainReport["faults"] = [];
  for (;;) {
    const events = await readChain(db, orgId, sequence, step);
    for (const { hash, ...event } of events) {
      const expected = sequence + 1;
      const reason =
        event.sequence !== expected
          ? "the event is missing"
          : event.previous_hash !== head
            ? "it does not link to the previous event"
            : eventHash(orgId, event) !== hash
              ? "its content does not match its hash"
              : event.sequence === known?.events && hash !== known.head
                ? "it differs from the event that was recorded before"
                : null;
      if (reason !== null) faults.push({ sequence: expected, reason });
      // The next event is compared with the stored hash, so that each fault is reported once.
      sequence = event.sequence;
      head = hash;
    }
    if (events.length === step) continue;
    if (sequence < (known?.events ?? 0)) {
      faults.push({ sequence: sequence + 1, reason: "the event is missing" });
    }
    return { orgId, slug, events: sequence, head, faults };
  }
}
