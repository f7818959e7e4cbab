import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { ApiError } from "../../api/client.js";
import { ErrorState } from "../../ui/feedback/states.js";

/** Shown if a page cannot start: the server is unreachable, or the page's files are outdated. */
export function CrashPage({ error, reset }: ErrorComponentProps): ReactElement {
  const router = useRouter();
  const isApi = error instanceof ApiError;
  const handleRetry = (): void => {
    if (!isApi) {
      location.reload();
      return;
    }
    reset();
    void router.invalidate();
  };
  return (
    <main className="mx-auto flex min-h-dvh max-w-lg flex-col justify-center p-6">
      <title>Something went wrong · Omoi</title>
      <ErrorState
        title={isApi ? "Omoi cannot be reached" : "This page could not be shown"}
        detail={
          isApi
            ? error.message
            : "The page did not load. Omoi may have been updated. Retry reloads it."
        }
        onRetry={handleRetry}
      />
    </main>
  );
}
