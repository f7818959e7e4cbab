import { useNavigate, useSearch } from "@tanstack/react-router";
import { useTypedSearch } from "./typed-search.js";
import { type ListState, type ListView, type Sorting, viewOf } from "../ui/list-view.js";

type Search = Record<string, unknown>;

/** The part of an address that tells how a list is looked at; a page's further lists have a prefix. */
export interface ListSearch {
  q?: string;
  sort?: string;
  page?: number;
}

/** What an address tells of the list, and of those with a prefix. */
export function listSearchOf(search: Search, ...prefixes: readonly string[]): ListSearch {
  const read = (prefix: string): Search => {
    const [q, sort, page] = ["q", "sort", "page"].map((name) => search[prefix + name]);
    return {
      // A text of digits comes out of the address as a number.
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

/** Changes some of what the address says; undefined takes it out. Back leads past it. */
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
 * What a list is narrowed by beside its search, which lives in the address, too. With other rows it
 * starts at its first page.
 * @param filtersOf Reads it from an address, as the page's route does.
 * @param prefix That of the list.
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
  /** What the search looks into. */
  textOf: (row: Row) => string;
  pageSize?: number;
  /** For all but the first list of a page; the route lets it through (`listSearchOf`). */
  prefix?: string;
}

/** The rows as the address says: narrowed, sorted, a page of them; and the way to change that. */
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
