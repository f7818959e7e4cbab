import { queryOptions, type QueryKey, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";
import type { Answer } from "#shared/contract/call.js";
import { nextCursor } from "./client.js";

/** A list that the API gives page by page. */
export interface CursorList<Row> {
  queryKey: QueryKey;
  /** Asks for the page after a cursor; for the first one without. */
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Answer<Row[]>>;
  refetchInterval?: number;
}

/** Where one is in such a list, and the ways to the pages beside that. */
export interface CursorPlace {
  /** From 1. */
  page: number;
  hasNext: boolean;
  isMoving: boolean;
  onGo: (by: 1 | -1) => void;
}

/** A page of such a list; for `useCursorPages`, and to ask for the first one ahead. */
export const cursorPageQuery = <Row>(list: CursorList<Row>, cursor?: string) =>
  queryOptions({
    queryKey: [...list.queryKey, cursor ?? null],
    queryFn: async ({ signal }) => {
      const { data, headers } = await list.read(cursor, signal);
      return { rows: data, next: nextCursor(headers) };
    },
  });

/** So many parts of a key tell what a list is of; the rest tells how it is looked at. */
const subject = 3;

/**
 * One page at a time of a list that may be long: no other is in the page, nor read anew when something
 * changes. A list that is looked at otherwise begins at its first page; what was shown of it stays until
 * then.
 */
export function useCursorPages<Row>(
  list: CursorList<Row>,
  enabled = true,
): { query: UseQueryResult<{ rows: Row[] }>; rows: readonly Row[]; place: CursorPlace } {
  const of = JSON.stringify(list.queryKey);
  const [way, setWay] = useState<{ of: string; cursors: readonly string[] }>({ of, cursors: [] });
  /** Those of the pages from the second to this one. */
  const cursors = way.of === of ? way.cursors : [];
  const cursor = cursors.at(-1);
  const query = useQuery({
    ...cursorPageQuery(list, cursor),
    placeholderData: (shown, before) =>
      list.queryKey.slice(0, subject).every((part, at) => part === before?.queryKey[at])
        ? shown
        : undefined,
    refetchInterval: list.refetchInterval ?? false,
    enabled,
  });
  const next = query.isPlaceholderData ? undefined : query.data?.next;
  return {
    query,
    rows: query.data?.rows ?? [],
    place: {
      page: cursors.length + 1,
      hasNext: query.data?.next !== undefined,
      isMoving: query.isPlaceholderData,
      onGo: (by) => {
        if (by === -1) setWay({ of, cursors: cursors.slice(0, -1) });
        else if (next !== undefined) setWay({ of, cursors: [...cursors, next] });
      },
    },
  };
}
