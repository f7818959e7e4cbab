import {
  type QueryKey,
  useSuspenseQuery,
  type UseSuspenseQueryOptions,
  type UseSuspenseQueryResult,
} from "@tanstack/react-query";
import { ApiError } from "./client.js";

/**
 * Reads a query that the page has loaded (`load` in src/shared/pages.ts), and keeps it fresh. A failed
 * refetch keeps the data.
 * @throws ApiError 403 or 404 once the viewer may no longer read it; the page shows the error
 */
export function useLoaded<Data, Key extends QueryKey>(
  query: UseSuspenseQueryOptions<Data, Error, Data, Key>,
): UseSuspenseQueryResult<Data> {
  const result = useSuspenseQuery(query);
  const { error } = result;
  if (error instanceof ApiError && [403, 404].includes(error.status)) throw error;
  return result;
}
