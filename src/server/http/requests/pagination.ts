import { z } from "zod";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { id, instant } from "#shared/contract/fields.js";
import type { RequestHead } from "../../access/request-head.js";
import { AppError } from "../../errors.js";
import { Answer } from "../answers/answer.js";
import { isStorable } from "../answers/text.js";

/** Sort key of a list's rows. The key of a page's last row is where the next page begins. */
export type Key = readonly (string | number)[];

/** Sort keys: by id; by time and id; by name; by number. */
export const byId = z.tuple([id]);
export const byTime = z.tuple([instant, id]);
export const byName = z.tuple([z.string().min(1).refine(isStorable)]);
export const byNumber = z.tuple([z.int().min(0)]);

interface PageQuery {
  limit: number;
  cursor?: string | undefined;
}

interface PageContext {
  readonly request: Pick<RequestHead, "url">;
}

interface PageReader<RowKey extends Key, Row> {
  /** Reads at most `limit` rows after a key; from the beginning if it is null. */
  read: (after: RowKey | null, limit: number) => readonly Row[] | Promise<readonly Row[]>;
  keyOf: (row: Row) => RowKey;
}

/**
 * Returns a function that serves a list in pages and names the next page in the `Link` header (RFC
 * 8288). A cursor is opaque to clients. It holds the list's path and the key of the last row, so that
 * no other list accepts it.
 * @param key schema of the sort key, which validates the content of a cursor
 */
export function pagesOf<RowKey extends Key>(
  { path }: Pick<Endpoint, "path">,
  key: z.ZodType<RowKey>,
) {
  const cursors = z.tuple([z.literal(path), key]);
  const keyIn = (cursor: string): RowKey => {
    const parsed = cursors.safeParse(jsonIn(cursor));
    if (parsed.success) return parsed.data[1];
    throw invalidCursor();
  };
  /** @throws AppError 422 if the cursor does not belong to this list */
  return async <Row>(
    { request }: PageContext,
    { limit, cursor }: PageQuery,
    { read, keyOf }: PageReader<RowKey, Row>,
  ): Promise<Answer<Row[]>> => {
    // An extra row shows that the list has a next page.
    const rows = await read(cursor === undefined ? null : keyIn(cursor), limit + 1);
    const page = rows.slice(0, limit);
    if (rows.length <= limit) return new Answer(page);
    const last = JSON.stringify([path, keyOf(page.at(-1) as Row)]);
    const [address, search] = request.url.split("?", 2);
    const query = new URLSearchParams(search);
    query.set("cursor", Buffer.from(last).toString("base64url"));
    return new Answer(page, { headers: { link: `<${address}?${query}>; rel="next"` } });
  };
}

/**
 * Reads pages of a list that is held in memory.
 * @param isAfter whether a row comes after the key
 */
export function fromMemory<RowKey extends Key, Row>(
  rows: readonly Row[],
  isAfter: (row: Row, key: RowKey) => boolean,
): PageReader<RowKey, Row>["read"] {
  return (after, limit) =>
    (after === null ? rows : rows.filter((row) => isAfter(row, after))).slice(0, limit);
}

function jsonIn(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

function invalidCursor(): AppError {
  const msg = "is no cursor of this list; take it from the Link header of the page before";
  return new AppError("validation_failed", `cursor ${msg}.`, {
    errors: [{ loc: ["query", "cursor"], msg, type: "invalid" }],
  });
}
