import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { archivedOf } from "../../../paths/address-search.js";
import { useFilters, useListView } from "../../../lists/list-search.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { deferMenu } from "../../../ui/overlays/deferred-menu.js";
import { Checkbox } from "../../../ui/fields/field.js";
import { Icon } from "../../../ui/actions/icons.js";
import { ListToolbar, Pager, type Sorting } from "../../../ui/tables/list-view.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { Waiting } from "../../../components/await.js";
import { needsSearch, useCurrentOrganization } from "../../../access/current-organization.js";
import { OrganizationCard } from "./organization-card.js";
import {
  allOrganizationsQuery,
  organizationsQuery,
} from "../../../api/queries/organization/organizations.js";

const SwitchMenu = deferMenu(async () => (await import("./organization-choices.js")).SwitchMenu);

const sortings: readonly Sorting<OrganizationItem>[] = [
  { key: "name", label: "Name", by: ({ name }) => name },
  { key: "members", label: "Members", by: ({ counts }) => counts.members },
  { key: "projects", label: "Projects", by: ({ counts }) => counts.projects },
  { key: "agents", label: "Agents running", by: ({ usage }) => usage.concurrent_agents.current },
  { key: "hours", label: "Hours used", by: ({ usage }) => usage.runtime_hours.current },
];

export function OrganizationsPage(): ReactElement {
  const [{ archived: isShowingArchived = false }, change] = useFilters(archivedOf);
  const { organization: current, organizations } = useCurrentOrganization();
  const list = useQuery({
    ...(isShowingArchived ? allOrganizationsQuery : organizationsQuery),
    placeholderData: keepPreviousData,
  });
  const { data: me } = useQuery(meQuery);
  const view = useListView(list.data ?? [], {
    sortings,
    textOf: ({ name, slug }) => `${name} ${slug}`,
    pageSize: 24,
  });

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
            <SwitchMenu
              trigger={
                <Button
                  icon="switch"
                  aria-haspopup={needsSearch(organizations) ? "dialog" : "menu"}
                >
                  Switch Organization
                </Button>
              }
            />
          )}
        </>
      }
    >
      <ListToolbar
        view={view}
        noun="organization"
        placeholder="Name or slug"
        hasShortcut
        isOfCards
        isAlways
      >
        <Checkbox
          label="Show archived"
          checked={isShowingArchived}
          onChange={(isOn) => change({ archived: isOn || undefined })}
        />
      </ListToolbar>
      {list.data === undefined ? (
        <Waiting query={list} rows={4} />
      ) : list.data.length === 0 ? (
        <EmptyState
          title="You belong to no organization yet"
          action={
            <div className="flex flex-wrap justify-center gap-2">
              {newOrganization}
              <Link {...paths.welcome()} className={buttonClass()}>
                Getting started
              </Link>
            </div>
          }
        >
          An organization holds your projects, agents and their limits. Create the first one, or ask
          a colleague to add you to theirs.
        </EmptyState>
      ) : view.found === 0 ? (
        <EmptyState
          title="No organization found"
          action={<Button onClick={() => view.change({ q: "" })}>Clear search</Button>}
        >
          None has “<PlainText value={view.state.q.trim()} />” in its name or slug
          {isShowingArchived ? "." : "; archived ones are not shown."}
        </EmptyState>
      ) : (
        <div className="grid items-start gap-4 lg:grid-cols-2">
          {view.pageRows.map((organization) => (
            <OrganizationCard
              key={organization.id}
              organization={organization}
              isCurrent={organization.id === current?.id}
              isOwn={organization.owner.id === me?.id}
            />
          ))}
        </div>
      )}
      <Pager view={view} label="Pages of organizations" />
    </Page>
  );
}
