import { useNavigate, useSearch } from "@tanstack/react-router";
import { useTypedSearch } from "./typed-search.js";
import { type ListState, type ListView, type Sorting, viewOf } from "../ui/tables/list-view.js";

type Search = Record<string, unknown>;

/** Search parameters of a list's view; further lists of a page use a prefix. */
export interface ListSearch {
  q?: string;
  sort?: string;
  page?: number;
}

/** Returns the parameters of the main list and of those with a prefix. */
export function listSearchOf(search: Search, ...prefixes: readonly string[]): ListSearch {
  const read = (prefix: string): Search => {
    const [q, sort, page] = ["q", "sort", "page"].map((name) => search[prefix + name]);
    return {
      // The router parses a text of digits as a number.
      ...((typeof q === "string" && q !== "") || typeof q === "number"
        ? { [`${prefix}q`]: String(q) }
        : {}),
      ...(typeof sort === "string" && sort !== "" ? { [`${prefix}sort`]: sort } : {}),
      ...(typeof page === "number" && Number.isSafeInteger(page) && page > 1
        ? { [`${prefix}page`]: page }
        : {}),
    };
  };
  return Object.assign({}, ...["", ...prefixes].map(read)) as ListSearch;
}

/** Changes search parameters; undefined removes one. Replaces the history entry. */
function useWriteSearch(): (change: Search) => void {
  const navigate = useNavigate();
  return (change) =>
    void navigate({
      to: ".",
      search: ((before: Search) => ({ ...before, ...change })) as never,
      replace: true,
      resetScroll: false,
    });
}

type Change<Filters> = { [Name in keyof Filters]?: Filters[Name] | undefined };

/**
 * Filters of a list besides its search, kept in the address. A change returns to the first page.
 * @param filtersOf reads them from the address, as the page's route does
 * @param prefix of the list's parameters
 */
export function useFilters<Filters extends object>(
  filtersOf: (search: Search) => Filters,
  prefix = "",
): [filters: Filters, change: (change: Change<Filters>) => void] {
  const search: Search = useSearch({ strict: false });
  const write = useWriteSearch();
  return [filtersOf(search), (change) => write({ ...change, [`${prefix}page`]: undefined })];
}

export interface ListOptions<Row> {
  sortings: readonly Sorting<Row>[];
  /** The text that the search matches. */
  textOf: (row: Row) => string;
  pageSize?: number;
  /** Prefix of further lists on a page; the route must allow it (`listSearchOf`). */
  prefix?: string;
}

/** Filters, sorts and paginates rows by the address, and returns a function that changes it. */
export function useListView<Row>(
  rows: readonly Row[],
  { pageSize = 25, prefix = "", ...options }: ListOptions<Row>,
): ListView<Row> {
  const search: Search = useSearch({ strict: false });
  const writeSearch = useWriteSearch();
  const own = listSearchOf(search, prefix) as Search;
  const state: ListState = {
    q: (own[`${prefix}q`] as string | undefined) ?? "",
    sort: (own[`${prefix}sort`] as string | undefined) ?? "",
    page: (own[`${prefix}page`] as number | undefined) ?? 1,
  };
  const write = (change: Partial<ListState>): void => {
    const named = Object.fromEntries(
      Object.entries(change).map(([name, value]) => [
        prefix + name,
        value === "" || value === 1 ? undefined : value,
      ]),
    );
    writeSearch(named);
  };
  const [q, type] = useTypedSearch(state.q, (typed) => write({ q: typed, page: 1 }));
  const { page, ...view } = viewOf(rows, { ...state, q }, { ...options, pageSize });
  return {
    ...view,
    state: { ...state, q, page },
    sortings: options.sortings,
    change: (change) => {
      if (change.q === undefined) write(change);
      else type(change.q);
    },
  };
}
