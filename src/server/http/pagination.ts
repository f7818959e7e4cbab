import type { FastifyReply, FastifyRequest } from "fastify";
import { id, timestamp } from "#shared/api/fields.js";
import { AppError } from "../errors.js";

function invalidCursor(): AppError {
  return new AppError(
    "validation_failed",
    "cursor: take it from the Link header of the page before.",
    {
      errors: [{ loc: ["query", "cursor"], msg: "is not a cursor of this list", type: "invalid" }],
    },
  );
}

/** A page's end: what the next page starts after. Opaque to clients. */
export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/**
 * The parts of a cursor: the last row's id, or its time and its id.
 * @throws AppError 422 where it is not a cursor of ours with so many parts
 */
export function decodeCursor(cursor: string, parts: 1 | 2): string[] {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (
      Array.isArray(decoded) &&
      decoded.length === parts &&
      id.safeParse(decoded.at(-1)).success &&
      (parts === 1 || timestamp.safeParse(decoded[0]).success)
    ) {
      return decoded;
    }
  } catch {
    // not ours: said below
  }
  throw invalidCursor();
}

/**
 * The number of a cursor of a list that is numbered.
 * @throws AppError 422
 */
export function decodeNumberCursor(cursor: string): number {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    const [text] = Array.isArray(decoded) && decoded.length === 1 ? decoded : [];
    if (typeof text === "string" && /^[1-9]\d{0,14}$/.test(text)) return Number(text);
  } catch {
    // not ours: said below
  }
  throw invalidCursor();
}

/**
 * The name of a cursor of a list that goes by name.
 * @throws AppError 422
 */
export function decodeNameCursor(cursor: string): string {
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    const [name] = Array.isArray(decoded) && decoded.length === 1 ? decoded : [];
    if (typeof name === "string" && name !== "") return name;
  } catch {
    // not ours: said below
  }
  throw invalidCursor();
}

/**
 * Cuts a list that was read with one row more than asked for, and names the next page in the `Link`
 * header (RFC 8288).
 */
export function pageOf<Row>(
  rows: Row[],
  limit: number,
  cursorOf: (last: Row) => readonly string[],
  request: FastifyRequest,
  reply: FastifyReply,
): Row[] {
  if (rows.length <= limit) return rows;
  const page = rows.slice(0, limit);
  const url = new URL(request.url, "http://local");
  url.searchParams.set("cursor", encodeCursor(cursorOf(page.at(-1) as Row)));
  reply.header("link", `<${url.pathname}${url.search}>; rel="next"`);
  return page;
}
