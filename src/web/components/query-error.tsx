import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { asApiError } from "../api/client.js";
import { paths } from "../paths/paths.js";
import { buttonClass } from "../ui/actions/button.js";
import { EmptyState, ErrorState } from "../ui/feedback/states.js";

/** Why data could not be loaded: not found or forbidden, or a temporary failure. */
export function QueryError({
  error,
  onRetry,
  what = "This",
}: {
  error: Error;
  onRetry: () => void;
  what?: string;
}): ReactElement {
  const { status, message } = asApiError(error);
  if (status === 404) {
    return (
      <EmptyState
        title={`${what} was not found`}
        action={
          <Link {...paths.organizations()} className={buttonClass()}>
            Back to organizations
          </Link>
        }
      >
        It does not exist, or you are not a member of the organization. Ask the sender of the link
        to invite you.
      </EmptyState>
    );
  }
  return <ErrorState detail={message} onRetry={onRetry} />;
}
