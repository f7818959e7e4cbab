import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths.js";
import { Button, buttonClass } from "../../ui/button.js";
import { deferMenu } from "../../ui/deferred-menu.js";
import { Checkbox } from "../../ui/field.js";
import { Icon } from "../../ui/icons.js";
import { Page } from "../../ui/page.js";
import { EmptyState, Skeleton } from "../../ui/states.js";
import { meQuery } from "../auth/queries.js";
import { QueryError } from "../shell/query-state.js";
import { useCurrentOrganization } from "./current.js";
import { OrganizationCard } from "./organization-card.js";
import { allOrganizationsQuery, organizationsQuery } from "./queries.js";

const route = getRouteApi("/app/organizations");

const SwitchMenu = deferMenu(
  async () => (await import("../shell/organization-choices.js")).SwitchMenu,
);

export function OrganizationsPage(): ReactElement {
  const { archived: isShowingArchived = false } = route.useSearch();
  const navigate = useNavigate();
  const { organization: current, organizations } = useCurrentOrganization();
  const list = useQuery({
    ...(isShowingArchived ? allOrganizationsQuery : organizationsQuery),
    placeholderData: keepPreviousData,
  });
  const { data: me } = useQuery(meQuery);

  const newOrganization = (
    <Link {...paths.newOrganization()} className={buttonClass("primary")}>
      <Icon name="plus" />
      New Organization
    </Link>
  );
  return (
    <Page
      title="Organizations"
      actions={
        <>
          {newOrganization}
          {organizations.length > 0 && (
            <SwitchMenu trigger={<Button icon="switch">Switch Organization</Button>} />
          )}
        </>
      }
    >
      <div>
        <Checkbox
          label="Show archived"
          checked={isShowingArchived}
          onChange={(isOn) => void navigate({ ...paths.organizations(isOn), replace: true })}
        />
      </div>
      {list.isPending ? (
        <Skeleton rows={4} />
      ) : list.isLoadingError ? (
        <QueryError error={list.error} onRetry={() => void list.refetch()} />
      ) : list.data.length === 0 ? (
        <EmptyState title="You belong to no organization yet" action={newOrganization}>
          An organization holds your projects, agents and their limits. Create the first one, or ask
          a colleague to add you to theirs.
        </EmptyState>
      ) : (
        <div className="grid items-start gap-4 xl:grid-cols-2">
          {list.data.map((organization) => (
            <OrganizationCard
              key={organization.id}
              organization={organization}
              isCurrent={organization.id === current?.id}
              isOwn={organization.owner.id === me?.id}
            />
          ))}
        </div>
      )}
    </Page>
  );
}
