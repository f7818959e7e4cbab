/** Checks the signature of an event and reads what it names. */
import type { ForgeKind } from "#shared/api/work/forges.js";
import type { EventHeaders, IncomingEvent } from "../client/incoming-event.js";
import { incomingOf } from "../incoming/incoming.js";

export interface EventToRead {
  kind: ForgeKind;
  /** Of the connection's hooks. */
  secret: string;
  headers: EventHeaders;
  body: Uint8Array;
}

/** What was read; null for an event that names nothing. */
export type EventRead = { event: IncomingEvent | null } | "wrong signature" | "no JSON";

export function readEvent({ kind, secret, headers, body }: EventToRead): EventRead {
  const { verify, read } = incomingOf(kind);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!verify(secret, headers, bytes)) return "wrong signature";
  try {
    return { event: read(headers, bytes) };
  } catch (error) {
    if (error instanceof SyntaxError) return "no JSON";
    throw error;
  }
}
