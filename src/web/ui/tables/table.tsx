import { Fragment, type MouseEvent, type ReactElement, type ReactNode } from "react";
import { Icon } from "../actions/icons.js";
import type { ListView } from "./list-view.js";

export interface TableProps<Row> {
  label: string;
  columns: readonly {
    name: string;
    renderCell: (row: Row) => ReactNode;
    hideName?: boolean;
    /** Sort key of the column's heading. */
    sortKey?: string;
    /** Numbers are right-aligned. */
    isNumber?: boolean;
    /** Total in the footer; given for every column or for none. */
    total?: ReactNode;
  }[];
  rows: readonly Row[];
  /** The view of the rows, if headings are sortable. */
  view?: Pick<ListView<Row>, "state" | "change">;
  rowKey: (row: Row) => string;
  /** Details of a row, below it in full width; undefined if hidden. */
  renderDetails?: (row: Row) => ReactNode;
}

const cell =
  "grid grid-cols-[5rem_minmax(0,1fr)] min-[24rem]:grid-cols-[7rem_minmax(0,1fr)] items-baseline gap-2 py-0.5 wide:table-cell wide:px-2 wide:py-2.5 wide:align-middle wide:wrap-break-word wide:first:pl-4 wide:last:pr-4 print:py-1!";
const figure = "tabular-nums wide:text-right wide:whitespace-nowrap";
/** Long names break anywhere instead of widening the table; ordinary words do not. */
const words = "wide:min-w-16";

/** A table on wide screens and in print; on a phone every row becomes a card with labeled values. */
export function Table<Row>({
  label,
  columns,
  rows,
  view,
  rowKey,
  renderDetails,
}: TableProps<Row>): ReactElement {
  return (
    <table aria-label={label} className="block w-full wide:table">
      <thead className="sr-only wide:not-sr-only wide:table-header-group">
        <tr className="wide:border-b wide:border-line">
          {columns.map((column) => (
            <th
              key={column.name}
              scope="col"
              {...(view && column.sortKey !== undefined
                ? { "aria-sort": orderOf(view.state.sort, column.sortKey) }
                : {})}
              className={`px-2 py-2 text-[13px] font-medium wrap-normal text-muted first:pl-4 last:pr-4 ${column.isNumber ? "text-right" : "text-left"}`}
            >
              {view && column.sortKey !== undefined ? (
                <>
                  {/* Hidden on a phone, where the list's sort menu is used. */}
                  <span className="wide:hidden">{column.name}</span>
                  <SortButton name={column.name} sortKey={column.sortKey} view={view} />
                </>
              ) : (
                <span className={column.hideName ? "sr-only" : ""}>{column.name}</span>
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="block divide-y divide-line wide:table-row-group">
        {rows.map((row) => {
          const details = renderDetails?.(row);
          return (
            <Fragment key={rowKey(row)}>
              <tr
                onClick={openRow}
                className="block px-4 py-3 wide:table-row wide:p-0 has-[>td:first-child_a]:cursor-pointer has-[>td:first-child_a]:hover:bg-canvas"
              >
                {columns.map((column) => (
                  <td key={column.name} className={`${cell} ${column.isNumber ? figure : words}`}>
                    <span aria-hidden="true" className="text-[13px] text-muted wide:hidden">
                      {column.hideName ? "" : column.name}
                    </span>
                    <div className="min-w-0">{column.renderCell(row)}</div>
                  </td>
                ))}
              </tr>
              {details !== undefined && (
                <tr className="block bg-canvas px-4 py-3 wide:table-row wide:p-0">
                  <td
                    colSpan={columns.length}
                    className="block wide:table-cell wide:px-4 wide:py-3"
                  >
                    {details}
                  </td>
                </tr>
              )}
            </Fragment>
          );
        })}
      </tbody>
      {columns.some((column) => column.total !== undefined) && (
        <tfoot className="block border-t border-line font-semibold wide:table-footer-group">
          <tr className="block px-4 py-3 wide:table-row wide:p-0">
            {columns.map((column) => (
              <td
                key={column.name}
                className={
                  column.total === ""
                    ? "hidden wide:table-cell"
                    : `${cell} ${column.isNumber ? figure : ""}`
                }
              >
                <span aria-hidden="true" className="text-[13px] text-muted wide:hidden">
                  {column.isNumber ? column.name : ""}
                </span>
                <div className="min-w-0">{column.total}</div>
              </td>
            ))}
          </tr>
        </tfoot>
      )}
    </table>
  );
}

const ownActions = "a, button, input, select, textarea, label, summary, [role=button]";

/** Follows the link of a row's first cell, for the mouse; the keyboard has the link itself. */
function openRow(event: MouseEvent<HTMLTableRowElement>): void {
  const { currentTarget: row, target, ctrlKey, metaKey, shiftKey } = event;
  // Dialogs of a row are elsewhere in the document.
  if (!(target instanceof Element) || !row.contains(target)) return;
  if (target.closest(ownActions) !== null || getSelection()?.isCollapsed === false) return;
  const click = { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey };
  row.cells[0]?.querySelector("a")?.dispatchEvent(new globalThis.MouseEvent("click", click));
}

type Order = "ascending" | "descending" | "none";

function orderOf(sort: string, key: string): Order {
  return sort === key ? "ascending" : sort === `-${key}` ? "descending" : "none";
}

const nextOrder: Record<Order, (key: string) => string> = {
  none: (key) => key,
  ascending: (key) => `-${key}`,
  descending: () => "",
};

/** A sortable heading: ascending, descending, then default order. */
function SortButton<Row>({
  name,
  sortKey,
  view,
}: {
  name: string;
  sortKey: string;
  view: Pick<ListView<Row>, "state" | "change">;
}): ReactElement {
  const order = orderOf(view.state.sort, sortKey);
  return (
    <button
      type="button"
      onClick={() => view.change({ sort: nextOrder[order](sortKey), page: 1 })}
      className="group -mx-1.5 hidden min-h-6 items-center gap-1 rounded px-1.5 wide:inline-flex hover:text-ink"
    >
      {name}
      <Icon
        name="chevronDown"
        className={`!size-3 ${order === "ascending" ? "rotate-180" : ""} ${order === "none" ? "opacity-0 group-hover:opacity-60 group-focus-visible:opacity-60" : ""}`}
      />
    </button>
  );
}
