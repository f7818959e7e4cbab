import { type ReactElement, type ReactNode, useEffect } from "react";
import { Button } from "../actions/button.js";
import { announce } from "./toast.js";

/** Gray bars in place of rows. Content below them is hidden (styles.css). */
export function Skeleton({ rows = 3 }: { rows?: number }): ReactElement {
  return (
    <div data-loading="" className="flex flex-col gap-3">
      <span className="sr-only">Loading…</span>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} aria-hidden="true" className="h-20 animate-pulse rounded-lg bg-sunken" />
      ))}
    </div>
  );
}

interface EmptyStateProps {
  title: string;
  children: ReactNode;
  action?: ReactNode;
}

/** An empty state with its next action. */
export function EmptyState({ title, children, action }: EmptyStateProps): ReactElement {
  return (
    <div className="flex flex-col items-center gap-2 rounded-lg border border-dashed border-control px-6 py-12 text-center">
      <h2 className="text-base font-semibold">{title}</h2>
      <div className="max-w-md text-muted">{children}</div>
      {action && <div className="mt-3">{action}</div>}
    </div>
  );
}

/** A loading error with a retry button. */
export function ErrorState({
  title = "This could not be loaded",
  detail,
  onRetry,
}: {
  title?: string;
  detail: string;
  onRetry: () => void;
}): ReactElement {
  useEffect(() => announce(`${title}. ${detail}`), [title, detail]);
  return (
    <div className="flex flex-col items-center gap-2 rounded-lg border border-line bg-surface px-6 py-10 text-center">
      <h2 className="text-base font-semibold">{title}</h2>
      <p className="max-w-md text-muted">{detail}</p>
      <Button icon="retry" className="mt-2" onClick={onRetry}>
        Retry
      </Button>
    </div>
  );
}
