import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import { useEffect } from "react";
import { type ListOptions, useListView } from "./list-search.js";
import type { ListView } from "../ui/tables/list-view.js";

/**
 * A view of a paginated list. Loads the next page when the viewer reaches the end, and all pages when
 * they search or sort.
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
