import { queryOptions, type QueryKey, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";
import type { Answer } from "#shared/contract/call.js";
import { nextCursor } from "./client.js";

/** A list with cursor pagination. */
export interface CursorList<Row> {
  queryKey: QueryKey;
  /** Requests the page after a cursor; without one, the first page. */
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Answer<Row[]>>;
  /** In milliseconds; may depend on the rows of the current page. */
  refetchInterval?: number | ((rows: readonly Row[]) => number);
}

/** The current page of a list and the links to its neighbors. */
export interface CursorPlace {
  /** Starts at 1. */
  page: number;
  hasNext: boolean;
  isMoving: boolean;
  onGo: (by: 1 | -1) => void;
}

/** The query of one page; for `useCursorPages` and for prefetching the first page. */
export const cursorPageQuery = <Row>(list: CursorList<Row>, cursor?: string) =>
  queryOptions({
    queryKey: [...list.queryKey, cursor ?? null],
    queryFn: async ({ signal }) => {
      const { data, headers } = await list.read(cursor, signal);
      return { rows: data, next: nextCursor(headers) };
    },
  });

/** Number of leading key parts that identify the list; the rest are filters and sorting. */
const subject = 3;

/**
 * Shows one page of a long list; only that page is rendered and refetched. Changed filters return to
 * the first page; the previous rows stay until it has loaded.
 */
export function useCursorPages<Row>(
  list: CursorList<Row>,
  enabled = true,
): { query: UseQueryResult<{ rows: Row[] }>; rows: readonly Row[]; place: CursorPlace } {
  const of = JSON.stringify(list.queryKey);
  const [way, setWay] = useState<{ of: string; cursors: readonly string[] }>({ of, cursors: [] });
  /** Cursors of the second page up to the current one. */
  const cursors = way.of === of ? way.cursors : [];
  const cursor = cursors.at(-1);
  const query = useQuery({
    ...cursorPageQuery(list, cursor),
    placeholderData: (shown, before) =>
      list.queryKey.slice(0, subject).every((part, at) => part === before?.queryKey[at])
        ? shown
        : undefined,
    refetchInterval: ({ state }) => {
      const { refetchInterval = false } = list;
      return typeof refetchInterval === "function"
        ? refetchInterval(state.data?.rows ?? [])
        : refetchInterval;
    },
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
