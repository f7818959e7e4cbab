import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import { useEffect } from "react";
import { type ListOptions, useListView } from "./list-search.js";
import type { ListView } from "../ui/list-view.js";

/**
 * A view of a list that comes in pieces: the next piece is read when the viewer reaches the end of what
 * is there, and all of them when he searches or sorts.
 */
export function useListPages<Row>(
  list: UseInfiniteQueryResult<InfiniteData<{ rows: readonly Row[] }>>,
  options: ListOptions<Row>,
): ListView<Row> {
  const view = useListView(list.data?.pages.flatMap((piece) => piece.rows) ?? [], options);
  const { q, sort, page } = view.state;
  const isWanted = q !== "" || sort !== "" || page === view.pages;
  const { hasNextPage, isFetching, isError, fetchNextPage } = list;
  useEffect(() => {
    if (isWanted && hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [isWanted, hasNextPage, isFetching, isError, fetchNextPage]);
  return view;
}
