import { useQueryErrorResetBoundary } from "@tanstack/react-query";
import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { ApiError } from "../../api/client.js";
import { AuthLayout } from "../../features/identity/parts/auth/auth-layout.js";
import { CrumbLink } from "../../components/crumb-link.js";
import { QueryError } from "../../components/query-error.js";
import { useConnectionLost } from "../../hooks/connection.js";
import { Button } from "../../ui/actions/button.js";
import { Alert } from "../../ui/feedback/alert.js";
import { Page, UnknownCrumb } from "../../ui/layout/page.js";
import { EmptyState, Skeleton } from "../../ui/feedback/states.js";
import { CrashPage } from "./CrashPage.js";

/** The list that contains a page's resource, as the breadcrumb of a page that cannot be loaded. */
export interface ListPage {
  path: string;
  title: string;
}

interface PendingPageProps {
  /** Heading while the page's own is unknown. */
  title: string | undefined;
}

interface FailedPageProps extends PendingPageProps, ErrorComponentProps {
  /** The resource that the page shows. */
  noun: string | undefined;
  list: ListPage | undefined;
}

const unknownCrumbs = [<UnknownCrumb key="unknown" />];

/** Shown while the code or data of a page is loading. */
export function PendingPage({ title }: PendingPageProps): ReactElement {
  const isLost = useConnectionLost();
  if (isLost) return <OfflinePage title={title} />;
  if (title === undefined) return <Skeleton />;
  return (
    <Page title={title} crumbs={unknownCrumbs}>
      <Skeleton />
    </Page>
  );
}

/** Shown under the address of a page that cannot be loaded without a connection; the page follows by the router. */
function OfflinePage({ title = "Offline" }: PendingPageProps): ReactElement {
  return (
    <Page title={title}>
      <EmptyState
        title="No connection to the server"
        action={<Button onClick={() => history.back()}>Go back</Button>}
      >
        {offlineText}
      </EmptyState>
    </Page>
  );
}

const offlineText = "This page isn't loaded yet. It appears once the connection is back.";

/** Shown while the code or data of a page before sign-in is loading. */
export function PendingPublicPage({ title = "Omoi" }: PendingPageProps): ReactElement {
  const isLost = useConnectionLost();
  return (
    <AuthLayout title={title} lead={isLost ? offlineText : "Loading…"}>
      <Skeleton rows={2} />
    </AuthLayout>
  );
}

/** Shown if a page's data cannot be loaded; `CrashPage` handles errors of the page itself. */
export function FailedPage({ title, noun, list, ...props }: FailedPageProps): ReactElement {
  const { error } = props;
  const handleRetry = useRetry();
  if (!(error instanceof ApiError) || title === undefined) return <CrashPage {...props} />;
  const crumbs = list && [
    <CrumbLink key="list" to={list.path}>
      {list.title}
    </CrumbLink>,
  ];
  return (
    <Page title={title} {...(crumbs && { crumbs })}>
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

/** Shown if the data of a page before sign-in cannot be loaded. */
export function FailedPublicPage({
  title,
  ...props
}: PendingPageProps & ErrorComponentProps): ReactElement {
  const { error } = props;
  const handleRetry = useRetry();
  if (!(error instanceof ApiError) || title === undefined) return <CrashPage {...props} />;
  return (
    <AuthLayout title={title} lead="This page could not be loaded.">
      <div className="flex flex-col gap-4">
        <Alert live>{error.message}</Alert>
        <Button icon="retry" onClick={handleRetry}>
          Retry
        </Button>
      </div>
    </AuthLayout>
  );
}

/** Loads the data of the page again. */
function useRetry(): () => void {
  const router = useRouter();
  const { reset } = useQueryErrorResetBoundary();
  return () => {
    reset();
    void router.invalidate();
  };
}
