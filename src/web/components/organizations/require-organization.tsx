import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { OrganizationItem } from "#shared/api/organizations.js";
import { paths } from "../../paths/paths.js";
import { buttonClass } from "../../ui/button.js";
import { Page } from "../../ui/page.js";
import { EmptyState, Skeleton } from "../../ui/states.js";
import { QueryError } from "../query-error.js";
import { useCurrentOrganization } from "../../access/current-organization.js";

/** A page of the current organization; where there is none yet, the way to one. */
export function RequireOrganization({
  title,
  children,
}: {
  title: string;
  children: (organization: OrganizationItem) => ReactNode;
}): ReactNode {
  const { organization, isPending, error, retry } = useCurrentOrganization();
  if (organization !== undefined) return children(organization);
  return (
    <Page title={title}>
      {isPending ? <Skeleton /> : error ? <QueryError error={error} onRetry={retry} /> : <None />}
    </Page>
  );
}

function None(): ReactElement {
  return (
    <EmptyState
      title="You belong to no organization yet"
      action={
        <Link {...paths.newOrganization()} className={buttonClass("primary")}>
          New Organization
        </Link>
      }
    >
      Everything here belongs to an organization. Create one, or ask a colleague to add you to
      theirs.
    </EmptyState>
  );
}
