import {
  type AnyRoute,
  createRoute,
  type ErrorComponentProps,
  lazyRouteComponent,
  type Route,
  type RouteComponent,
} from "@tanstack/react-router";
import { learn, roundsOf, type SourceName, type Variables } from "#shared/page-data.js";
import { dataOf, type PageName, type PagePath, pages, type VariablesOf } from "#shared/pages.js";
import { selectOrganization } from "../access/current-organization.js";
import { mayBeSignedIn } from "../access/signed-in.js";
import { organizationsQuery } from "../api/queries/organization/organizations.js";
import { queryClient } from "../api/query-client.js";
import { loadPart } from "../hooks/connection.js";
import {
  FailedPage,
  FailedPublicPage,
  type ListPage,
  PendingPage,
  PendingPublicPage,
} from "./shell/page-states.js";
import { isOfPages, type Query, queryOf } from "./page-queries.js";

/** Time that the first page waits for its parts, whose responses are preloaded; milliseconds. */
const firstPageTimeoutMs = 300;
let isFirstPage = true;
/** Time until `PendingPage` replaces the old page; milliseconds. */
const pendingMs = 300;

type Params<Name extends PageName> = Record<VariablesOf<PagePath<Name>>[number], string>;

/** The web app's part of a page; its path and its data are declared in `#shared/pages.js`. */
export interface PageEntry<Name extends PageName> {
  /** Reads the search parameters that the page knows. */
  search?: (search: Record<string, unknown>) => object;
  beforeLoad?: (entering: {
    params: Params<Name>;
    location: { href: string };
  }) => Promise<void> | void;
  /** Heading while the page's data is loading or cannot be loaded. */
  title?: string;
  /** The resource that the page loads, as in "The merge was not found". */
  noun?: string;
  /** A list that is read anew, although it is known: what else is loaded depends on it. */
  rereads?: SourceName;
  /** A query whose request depends on more than ids: on the data that the page has loaded. */
  alsoPart?: (known: Variables) => Promise<Query | undefined>;
  /** Renders the page only after the data of its parts has been requested and answered. */
  awaitsParts?: true;
  /** Imports `features/…/NamePage.tsx`; the build finds the scripts of a page by that name. */
  component: () => Promise<Record<`${Capitalize<Name>}Page`, RouteComponent>>;
}
export type PageEntries = { [Name in PageName]: PageEntry<Name> };

/** The child routes of a parent, by page name. */
export type PageRoutes<Entries, Parent extends AnyRoute> = {
  [Name in keyof Entries & PageName]: Route<
    unknown,
    Parent,
    PagePath<Name>,
    PagePath<Name>,
    string,
    Parent["id"] extends "__root__" ? PagePath<Name> : `${Parent["id"]}${PagePath<Name>}`,
    Entries[Name] extends { search: infer Read } ? Read : undefined
  >;
};

export function routesOf<Entries extends Partial<PageEntries>, Parent extends AnyRoute>(
  entries: Entries,
  parent: Parent,
): PageRoutes<Entries, Parent> {
  const routes = Object.entries(entries).map(([name, entry]) => [
    name,
    routeOf(name as PageName, entry as PageEntry<PageName>, parent, listAbove(name, entries)),
  ]);
  return Object.fromEntries(routes) as PageRoutes<Entries, Parent>;
}

/** Finds the list above a page: "Agents" above "/agents/$agentId/runs/$runId". */
function listAbove(name: string, entries: Partial<PageEntries>): ListPage | undefined {
  const { path } = pages[name as PageName];
  const above = Object.entries(entries).find(([other]) =>
    path.startsWith(`${pages[other as PageName].path}/`),
  );
  return above?.[1].title === undefined
    ? undefined
    : { path: pages[above[0] as PageName].path, title: above[1].title };
}

function routeOf(
  name: PageName,
  entry: PageEntry<PageName>,
  parent: AnyRoute,
  list: ListPage | undefined,
): unknown {
  const { search, beforeLoad, title, noun, component } = entry;
  return createRoute({
    getParentRoute: () => parent,
    path: pages[name].path,
    ...(search && { validateSearch: search }),
    ...(beforeLoad && { beforeLoad: beforeLoad as never }),
    // Hovering over a link preloads the page's code only.
    preload: false,
    loader: async ({ params }: { params: Record<string, string> }) => {
      const { load = [], parts = [] } = dataOf(name);
      const known = await variablesOf(name, params);
      const waiting = new Set(parts);
      const first = prefetchAll(waiting, known);
      await loadAll(new Set(load), known, entry.rereads);
      const prefetched = Promise.all([
        first,
        prefetchAll(waiting, known),
        entry.alsoPart?.(known).then((query) => query && prefetch(query)),
      ]).catch(() => {
        // The parts of the page report their own errors.
      });
      if (entry.awaitsParts) await prefetched;
      if (!isFirstPage) return;
      isFirstPage = false;
      await Promise.race([prefetched, delay(firstPageTimeoutMs)]);
    },
    pendingMs,
    ...("isPublic" in pages[name]
      ? {
          pendingComponent: () => <PendingPublicPage title={title} />,
          errorComponent: (props: ErrorComponentProps) => (
            <FailedPublicPage title={title} {...props} />
          ),
        }
      : {
          pendingComponent: () => <PendingPage title={title} />,
          errorComponent: (props: ErrorComponentProps) => (
            <FailedPage title={title} noun={noun} list={list} {...props} />
          ),
        }),
    component: lazyRouteComponent(
      () => loadPart(component as () => Promise<Record<string, RouteComponent>>),
      `${name.charAt(0).toUpperCase()}${name.slice(1)}Page`,
    ),
  });
}

/** Returns the variables of a page's data that its address and the selected organization tell. */
async function variablesOf(name: PageName, params: Record<string, string>): Promise<Variables> {
  const known: Variables = new Map(Object.entries(params));
  // The page shows every diff, long ones too.
  const sha = known.get("sha");
  if (sha !== undefined) known.set("shortSha", sha);
  if (dataOf(name).isOfCurrent) {
    const organizations = await queryClient.ensureQueryData(organizationsQuery);
    const current = selectOrganization(organizations);
    if (current) known.set("orgId", current.id);
  }
  return known;
}

async function loadAll(
  waiting: Set<SourceName>,
  known: Variables,
  reread: SourceName | undefined,
): Promise<void> {
  for (const round of roundsOf(waiting, known))
    await Promise.all(
      round.map(async (name) => {
        learn(known, name, await ensureData(queryOf(name, known), name === reread));
      }),
    );
}

/** Fetches a query that is not cached, or whose last refetch failed. */
async function ensureData(query: Query, isReread: boolean): Promise<unknown> {
  if (isOfPages(query)) return queryClient.ensureInfiniteQueryData(query);
  if (isReread) return queryClient.fetchQuery(query);
  const hasFailed = queryClient.getQueryState(query.queryKey)?.status === "error";
  return hasFailed
    ? queryClient.fetchQuery({ ...query, staleTime: 0 })
    : queryClient.ensureQueryData(query);
}

async function prefetchAll(waiting: Set<SourceName>, known: Variables): Promise<void> {
  // Without a session its user is not asked for.
  if (!mayBeSignedIn()) waiting.delete("me");
  for (const round of roundsOf(waiting, known))
    await Promise.all(
      round.map(async (name) => {
        const query = queryOf(name, known);
        await prefetch(query);
        const data: unknown = queryClient.getQueryData(query.queryKey);
        if (data !== undefined) learn(known, name, data);
      }),
    );
}

/** Data that is known is shown at once and refreshed meanwhile; only other data is awaited. */
async function prefetch(query: Query): Promise<void> {
  const isKnown = queryClient.getQueryData(query.queryKey) !== undefined;
  const done = isOfPages(query)
    ? queryClient.prefetchInfiniteQuery(query)
    : queryClient.prefetchQuery(query);
  if (!isKnown) await done;
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
