import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { type OrganizationSearch, paths } from "../../paths.js";
import { Button, buttonClass } from "../../ui/button.js";
import { deferMenu } from "../../ui/deferred-menu.js";
import { Checkbox } from "../../ui/field.js";
import { Icon } from "../../ui/icons.js";
import { countOf, formatNumber } from "../../ui/number.js";
import { Page } from "../../ui/page.js";
import { PlainText } from "../../ui/plain-text.js";
import { EmptyState, Skeleton } from "../../ui/states.js";
import { meQuery } from "../auth/queries.js";
import { QueryError } from "../shell/query-state.js";
import { useCurrentOrganization } from "./current.js";
import { OrganizationCard } from "./organization-card.js";
import { OrganizationSearchField, useTypedSearch } from "./organization-search.js";
import { allOrganizationsQuery, organizationsQuery } from "./queries.js";

const route = getRouteApi("/app/organizations");

const SwitchMenu = deferMenu(
  async () => (await import("../shell/organization-choices.js")).SwitchMenu,
);

export function OrganizationsPage(): ReactElement {
  const { archived: isShowingArchived = false, q = "" } = route.useSearch();
  const navigate = useNavigate();
  const { organization: current, organizations } = useCurrentOrganization();
  const list = useQuery({
    ...(isShowingArchived ? allOrganizationsQuery : organizationsQuery),
    placeholderData: keepPreviousData,
  });
  const { data: me } = useQuery(meQuery);
  const show = (search: OrganizationSearch): void =>
    void navigate({
      ...paths.organizations({
        ...(search.archived ? { archived: true } : {}),
        ...(search.q ? { q: search.q } : {}),
      }),
      replace: true,
    });
  const [text, setText] = useTypedSearch(q, (typed) =>
    show({ archived: isShowingArchived, q: typed }),
  );
  const wanted = text.trim().toLowerCase();
  const found = (list.data ?? []).filter(
    ({ name, slug }) => name.toLowerCase().includes(wanted) || slug.includes(wanted),
  );

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
      <div className="flex flex-wrap items-center gap-x-5 gap-y-3">
        <OrganizationSearchField value={text} onChange={setText} />
        <Checkbox
          label="Show archived"
          checked={isShowingArchived}
          onChange={(archived) => show({ archived, q: text })}
        />
        <output className="text-[13px] text-muted sm:ml-auto">
          {wanted !== "" &&
            list.data !== undefined &&
            `${formatNumber(found.length)} of ${countOf(list.data.length, "organization")}`}
        </output>
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
      ) : found.length === 0 ? (
        <EmptyState
          title="No organization found"
          action={<Button onClick={() => setText("")}>Clear search</Button>}
        >
          None has “<PlainText value={text.trim()} />” in its name or slug
          {isShowingArchived ? "." : "; archived ones are not shown."}
        </EmptyState>
      ) : (
        <div className="grid items-start gap-4 xl:grid-cols-2">
          {found.map((organization) => (
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
