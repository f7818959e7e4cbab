import type { Answer } from "#shared/contract/call.js";

/** The most rows in one request. */
const MAX_PAGE = 200;

interface Page {
  limit: number;
  cursor?: string;
}

/**
 * Yields the rows of a list, page after page.
 * @param most stops after that many rows
 */
export async function* rowsOf<Row>(
  call: (page: Page) => Promise<Answer<Row[]>>,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<Row> {
  let cursor: string | undefined;
  let left = most;
  do {
    const limit = Math.min(MAX_PAGE, left);
    const { data, headers } = await call({ limit, ...(cursor !== undefined && { cursor }) });
    const rows = data.slice(0, left);
    yield* rows;
    left -= rows.length;
    cursor = nextCursor(headers.get("link"));
  } while (cursor !== undefined && left > 0);
}

/** Reads the whole list. */
export async function allRows<Row>(
  call: (page: Page) => Promise<Answer<Row[]>>,
  most?: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of rowsOf(call, most)) rows.push(row);
  return rows;
}

/** The cursor of the next page, from `Link: <…>; rel="next"`. */
function nextCursor(link: string | null): string | undefined {
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
  if (next === undefined) return undefined;
  return new URL(next, "http://server").searchParams.get("cursor") ?? undefined;
}
