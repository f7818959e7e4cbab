import { Children, type ReactElement, type ReactNode, useId, useRef } from "react";
import { lazy } from "../../hooks/lazy.js";
import { Button } from "../actions/button.js";
import { Icon } from "../actions/icons.js";
import { countOf, formatNumber } from "../text/number.js";
import { SearchField } from "../fields/search-field.js";
import { Select } from "../fields/select.js";

/** View of a list, kept in the address. */
export interface ListState {
  /** The search text; empty: no search. */
  q: string;
  /** The sort key, with a `-` prefix for descending; empty: default order. */
  sort: string;
  /** Starts at 1. */
  page: number;
}

export interface Sorting<Row> {
  key: string;
  /** As in "Sort by Name". */
  label: string;
  /** The sort value; rows without one come last. */
  by: (row: Row) => string | number | null;
}

/** The filtered, sorted and paginated rows. */
export interface ListView<Row> {
  state: ListState;
  change: (change: Partial<ListState>) => void;
  sortings: readonly Sorting<Row>[];
  /** The current page's rows. */
  pageRows: readonly Row[];
  /** Number of rows that match the search, before pagination. */
  found: number;
  total: number;
  pages: number;
}

const collator = lazy(() => new Intl.Collator("en", { numeric: true, sensitivity: "base" }));

function compare(left: string | number | null, right: string | number | null): number {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return collator().compare(String(left), String(right));
}

/** Filters, sorts and paginates rows. A page beyond the last one is the last one. */
export function viewOf<Row>(
  rows: readonly Row[],
  { q, sort, page }: ListState,
  {
    sortings,
    textOf,
    pageSize,
  }: { sortings: readonly Sorting<Row>[]; textOf: (row: Row) => string; pageSize: number },
): Pick<ListView<Row>, "pageRows" | "found" | "total" | "pages"> & { page: number } {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => {
    const text = textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const isDescending = sort.startsWith("-");
  const by = sortings.find(({ key }) => key === sort.replace(/^-/, ""))?.by;
  const sorted = by
    ? found.toSorted((left, right) => {
        const [a, b] = [by(left), by(right)];
        if (a === null || b === null) return Number(a === null) - Number(b === null);
        return isDescending ? compare(b, a) : compare(a, b);
      })
    : found;
  const pages = Math.max(1, Math.ceil(found.length / pageSize));
  const at = Math.min(Math.max(1, page), pages);
  return {
    pageRows: sorted.slice((at - 1) * pageSize, at * pageSize),
    found: found.length,
    total: rows.length,
    pages,
    page: at,
  };
}

interface ToolbarProps<Row> {
  view: ListView<Row>;
  /** Noun for a row, such as "project". */
  noun: string;
  placeholder?: string;
  /** Whether the slash key focuses the search. */
  hasShortcut?: boolean;
  /** Cards have no sortable headings, so a sort menu is shown on wide screens too. */
  isOfCards?: boolean;
  /** Shown for short lists, too: prevents a layout shift if the toolbar is rendered before the list. */
  isAlways?: boolean;
  /** Further filters. */
  children?: ReactNode;
}

/** Search, sort menu and number of rows. Omitted for short lists. */
export function ListToolbar<Row>({
  view,
  noun,
  placeholder,
  hasShortcut = false,
  isOfCards = false,
  isAlways = false,
  children,
}: ToolbarProps<Row>): ReactElement | null {
  const { state, change, sortings } = view;
  const sortId = useId();
  const isShort = !isAlways && view.total <= 5 && state.q === "";
  if (isShort && Children.toArray(children).length === 0) return null;
  const plural = `${noun}s`;
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2.5 print:hidden">
      {!isShort && (
        <SearchField
          label={`Search ${plural}`}
          {...(placeholder === undefined ? {} : { placeholder })}
          hasShortcut={hasShortcut}
          value={state.q}
          onChange={(q) => change({ q, page: 1 })}
        />
      )}
      {!isShort && sortings.length > 0 && (
        <div
          className={`flex items-center gap-2 text-[13px] whitespace-nowrap text-muted ${isOfCards ? "" : "wide:hidden"}`}
        >
          <label htmlFor={sortId}>Sort by</label>
          <Select
            id={sortId}
            value={state.sort}
            onChange={(sort) => change({ sort, page: 1 })}
            options={[
              { value: "", label: "Default order" },
              ...sortings.flatMap(({ key, label }) => [
                { value: key, label: `${label}, ascending` },
                { value: `-${key}`, label: `${label}, descending` },
              ]),
            ]}
          />
        </div>
      )}
      {children}
      <output className="text-[13px] text-muted sm:ml-auto">
        {state.q.trim() !== "" && `${formatNumber(view.found)} of ${countOf(view.total, noun)}`}
      </output>
    </div>
  );
}

/** Pagination of a list; nothing if it has a single page. */
export function Pager<Row>({
  view,
  label,
}: {
  view: ListView<Row>;
  label: string;
}): ReactElement | null {
  const { page } = view.state;
  return (
    <PageSteps
      label={label}
      page={page}
      pages={view.pages}
      hasNext={page < view.pages}
      onGo={(by) => view.change({ page: page + by })}
    />
  );
}

interface PageStepsProps {
  label: string;
  /** Starts at 1. */
  page: number;
  /** Number of pages, if known. */
  pages?: number;
  hasNext: boolean;
  /** Whether the next page is loading. */
  isMoving?: boolean;
  onGo: (by: 1 | -1) => void;
}

/** Height of the sticky header plus a margin, in pixels. */
const headerHeight = 72;

/** Links to the previous and next page of a list; nothing if it has a single page. */
export function PageSteps(props: PageStepsProps): ReactElement | null {
  const { label, page, pages, hasNext, isMoving = false, onGo } = props;
  const nav = useRef<HTMLElement>(null);
  if (page === 1 && !hasNext) return null;
  const go = (by: 1 | -1): void => {
    onGo(by);
    // Scroll to the start of the new page.
    const top = nav.current?.parentElement?.getBoundingClientRect().top ?? 0;
    if (top < headerHeight) window.scrollBy({ top: top - headerHeight });
  };
  return (
    <nav
      ref={nav}
      aria-label={label}
      className="flex items-center justify-between gap-3 px-4 py-2.5 print:hidden"
    >
      <Button
        size="sm"
        disabledReason={page === 1 ? "This is the first page" : undefined}
        onClick={() => go(-1)}
      >
        <Icon name="chevronRight" className="rotate-180" />
        Previous
      </Button>
      <output className="text-[13px] text-muted">
        Page {formatNumber(page)}
        {pages !== undefined && ` of ${formatNumber(pages)}`}
      </output>
      <Button
        size="sm"
        pending={isMoving}
        disabledReason={hasNext ? undefined : "This is the last page"}
        onClick={() => go(1)}
      >
        Next
        <Icon name="chevronRight" />
      </Button>
    </nav>
  );
}

/** Shown if no row matches the search, with a button that clears it. */
export function NothingFound<Row>({
  view,
  noun,
}: {
  view: ListView<Row>;
  noun: string;
}): ReactElement {
  return (
    <div className="flex flex-col items-center gap-3 px-4 py-10 text-center">
      <p className="text-muted">No {noun} fits this search.</p>
      <Button onClick={() => view.change({ q: "", page: 1 })}>Clear search</Button>
    </div>
  );
}
