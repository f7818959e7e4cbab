import type { FetchInfiniteQueryOptions, FetchQueryOptions } from "@tanstack/react-query";
import {
  type AnyRoute,
  createRoute,
  type ErrorComponentProps,
  lazyRouteComponent,
  type Route,
  type RouteComponent,
} from "@tanstack/react-router";
import { type PageName, type PagePath, pages, type VariablesOf } from "#shared/pages.js";
import { queryClient } from "../api/query-client.js";
import { isConnectionLost, loadPart } from "../hooks/connection.js";
import {
  FailedPage,
  FailedPublicPage,
  type ListPage,
  PendingPage,
  PendingPublicPage,
} from "./shell/page-states.js";

/** Time that the first page waits for its parts, whose responses are preloaded; milliseconds. */
const firstPageTimeoutMs = 300;
let isFirstPage = true;
/** Time until `PendingPage` replaces the old page; milliseconds. */
const pendingMs = 300;

type Params<Name extends PageName> = Record<VariablesOf<PagePath<Name>>[number], string>;
/* oxlint-disable typescript/no-explicit-any -- queries of different data share a list */
type PagesQuery = FetchInfiniteQueryOptions<any, any, any, any, any>;
type Query = FetchQueryOptions<any, any, any, any> | PagesQuery;
/* oxlint-enable typescript/no-explicit-any */
type Queries = readonly Query[];
type QueriesOf<Name extends PageName> = (params: Params<Name>) => Queries | Promise<Queries>;

/** The web app's part of a page; its path is declared in `#shared/pages.js`. */
export interface PageEntry<Name extends PageName> {
  /** Reads the search parameters that the page knows. */
  search?: (search: Record<string, unknown>) => object;
  beforeLoad?: (entering: {
    params: Params<Name>;
    location: { href: string };
  }) => Promise<void> | void;
  /** Heading while the page's data is loading or cannot be loaded. */
  title?: string;
  /** The resource that `load` reads, as in "The merge was not found". */
  noun?: string;
  /** Data required to render the page; the component reads it by `useLoaded`. */
  load?: QueriesOf<Name>;
  /** Data of the page's parts: requested in parallel with the page's code, not awaited. */
  prefetch?: QueriesOf<Name>;
  /** Renders the page only after `prefetch` has completed. */
  awaitsPrefetch?: true;
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
  const { search, beforeLoad, title, noun, load, prefetch, component } = entry;
  return createRoute({
    getParentRoute: () => parent,
    path: pages[name].path,
    ...(search && { validateSearch: search }),
    ...(beforeLoad && { beforeLoad: beforeLoad as never }),
    // Hovering over a link preloads the page's code only.
    preload: false,
    loader: async ({ params }) => {
      const prefetched = prefetch && prefetchAll(prefetch(params));
      if (load) await Promise.all((await load(params)).map(ensureData));
      if (entry.awaitsPrefetch) await prefetched;
      if (!isFirstPage) return;
      isFirstPage = false;
      await Promise.race([prefetched, delay(firstPageTimeoutMs)]);
    },
    // Without a connection the old page stays, with the banner, until the new page can be loaded.
    get pendingMs() {
      return isConnectionLost() ? Infinity : pendingMs;
    },
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

/** Fetches a query that is not cached, or whose last refetch failed. */
async function ensureData(query: Query): Promise<void> {
  if (isOfPages(query)) {
    await queryClient.ensureInfiniteQueryData(query);
    return;
  }
  const hasFailed = queryClient.getQueryState(query.queryKey)?.status === "error";
  await (hasFailed
    ? queryClient.fetchQuery({ ...query, staleTime: 0 })
    : queryClient.ensureQueryData(query));
}

async function prefetchAll(queries: Queries | Promise<Queries>): Promise<void> {
  try {
    await Promise.all((await queries).map(prefetch));
  } catch {
    // The parts of the page report their own errors.
  }
}

/** Data that is known is shown at once and refreshed meanwhile; only other data is awaited. */
async function prefetch(query: Query): Promise<void> {
  const isKnown = queryClient.getQueryData(query.queryKey) !== undefined;
  const done = isOfPages(query)
    ? queryClient.prefetchInfiniteQuery(query)
    : queryClient.prefetchQuery(query);
  if (!isKnown) await done;
}

/** Whether the pages of a list are read one after the other; the first one is loaded. */
const isOfPages = (query: Query): query is PagesQuery => "initialPageParam" in query;

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
