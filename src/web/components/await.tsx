import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { Skeleton } from "../ui/feedback/states.js";
import { QueryError } from "./query-error.js";

interface WaitingProps {
  query: Pick<UseQueryResult, "error" | "refetch">;
  /** Height of the placeholder, in rows. */
  rows?: number;
  /** Name of the data for the error message: "The runs". */
  what?: string;
}

/** A placeholder or an error in place of a part whose query has no data. */
export function Waiting({ query, rows = 3, what = "This" }: WaitingProps): ReactElement {
  const { error, refetch } = query;
  if (error === null) return <Skeleton rows={rows} />;
  return <QueryError error={error} onRetry={() => void refetch()} what={what} />;
}

interface AwaitProps<Data> extends WaitingProps {
  query: Pick<UseQueryResult<Data>, "data" | "error" | "refetch">;
  children: (data: Data) => ReactNode;
}

/** Renders a part of a page once its query has data; a failed refetch keeps the data. */
export function Await<Data>({ children, ...waiting }: AwaitProps<Data>): ReactNode {
  const { data } = waiting.query;
  return data === undefined ? <Waiting {...waiting} /> : children(data);
}
