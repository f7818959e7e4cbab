import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { Waiting } from "../../../components/await.js";

interface PagedListProps {
  query: Pick<UseInfiniteQueryResult, "data" | "error" | "refetch">;
  isEmpty: boolean;
  empty: string;
  children: ReactNode;
}

/** Loading, error and empty states of a paginated list. */
export function PagedList({ query, isEmpty, empty, children }: PagedListProps): ReactElement {
  if (query.data === undefined) return <Waiting query={query} />;
  return isEmpty ? <p className="text-muted">{empty}</p> : <div className="-m-4">{children}</div>;
}
