import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { Skeleton } from "../ui/states.js";
import { QueryError } from "./query-error.js";

interface WaitingProps {
  query: Pick<UseQueryResult, "error" | "refetch">;
  /** Height of the placeholder, in rows. */
  rows?: number;
  /** What could not be read: "The runs". */
  what?: string;
}

/** In place of a part of a page whose query has no data: a placeholder, or the reason for the failure. */
export function Waiting({ query, rows = 3, what = "This" }: WaitingProps): ReactElement {
  const { error, refetch } = query;
  if (error === null) return <Skeleton rows={rows} />;
  return <QueryError error={error} onRetry={() => void refetch()} what={what} />;
}

interface AwaitProps<Data> extends WaitingProps {
  query: Pick<UseQueryResult<Data>, "data" | "error" | "refetch">;
  children: (data: Data) => ReactNode;
}

/** A part of a page that is drawn when its query has data; a failed refetch keeps what is shown. */
export function Await<Data>({ children, ...waiting }: AwaitProps<Data>): ReactNode {
  const { data } = waiting.query;
  return data === undefined ? <Waiting {...waiting} /> : children(data);
}
