import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { paths } from "../../../paths/paths.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Page } from "../../../ui/layout/page.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { organizationsQuery } from "../../../api/queries/organization/organizations.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { useCurrentOrganization } from "../../../access/current-organization.js";

/**
 * A page of the current organization, whose route loads the list of organizations; without an
 * organization, a link to create one.
 */
export function RequireOrganization({
  title,
  children,
}: {
  title: string;
  children: (organization: OrganizationItem) => ReactNode;
}): ReactNode {
  useLoaded(organizationsQuery);
  const { organization } = useCurrentOrganization();
  if (organization !== undefined) return children(organization);
  return (
    <Page title={title}>
      <None />
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
