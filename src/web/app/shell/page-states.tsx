import { useQueryErrorResetBoundary } from "@tanstack/react-query";
import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { ApiError } from "../../api/client.js";
import { QueryError } from "../../components/query-error.js";
import { Page, UnknownCrumb } from "../../ui/layout/page.js";
import { EmptyState, Skeleton } from "../../ui/feedback/states.js";
import { CrashPage } from "./CrashPage.js";

interface PageFrame {
  /** Heading while the page's own is unknown. */
  title: string | undefined;
}

const unknownCrumbs = [<UnknownCrumb key="unknown" />];

/** Shown while a page's code or data is loading. */
export function PendingPage({ title }: PageFrame): ReactElement {
  if (title === undefined) return <Skeleton />;
  return (
    <Page title={title} crumbs={unknownCrumbs}>
      <Skeleton />
    </Page>
  );
}

/** Shown if a page's data cannot be loaded; `CrashPage` handles errors of the page itself. */
export function FailedPage({
  title,
  noun,
  error,
  ...props
}: PageFrame & ErrorComponentProps & { noun: string | undefined }): ReactElement {
  const router = useRouter();
  const { reset } = useQueryErrorResetBoundary();
  if (!(error instanceof ApiError) || title === undefined) {
    return <CrashPage error={error} {...props} />;
  }
  const handleRetry = (): void => {
    reset();
    void router.invalidate();
  };
  return (
    <Page title={title}>
      {error.status === 403 && noun !== undefined ? (
        <EmptyState title={`You may not see this ${noun}`}>{error.message}</EmptyState>
      ) : (
        <QueryError
          error={error}
          onRetry={handleRetry}
          {...(noun === undefined ? {} : { what: `The ${noun}` })}
        />
      )}
    </Page>
  );
}
