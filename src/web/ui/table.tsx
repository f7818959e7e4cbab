import { Fragment, type ReactElement, type ReactNode } from "react";

interface TableProps<Row> {
  label: string;
  columns: readonly {
    name: string;
    renderCell: (row: Row) => ReactNode;
    hideName?: boolean;
    /** Figures are set flush right, below each other. */
    isNumber?: boolean;
    /** Of all rows, in a last one; given for every column or for none. */
    total?: ReactNode;
  }[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** More about a row, below it over the whole width; undefined where it is not shown. */
  renderDetails?: (row: Row) => ReactNode;
}

const cell =
  "grid grid-cols-[7rem_minmax(0,1fr)] items-center gap-2 py-0.5 wide:table-cell wide:px-4 wide:py-2.5 wide:align-middle print:py-1!";
const figure = "tabular-nums wide:text-right";

/** A table on wide screens and on paper; on a phone every row becomes a small card that names its cells. */
export function Table<Row>({
  label,
  columns,
  rows,
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
              className={`px-4 py-2 text-[13px] font-medium text-muted ${column.isNumber ? "text-right" : "text-left"}`}
            >
              <span className={column.hideName ? "sr-only" : ""}>{column.name}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="block divide-y divide-line wide:table-row-group">
        {rows.map((row) => {
          const details = renderDetails?.(row);
          return (
            <Fragment key={rowKey(row)}>
              <tr className="block px-4 py-3 wide:table-row wide:p-0">
                {columns.map((column) => (
                  <td key={column.name} className={`${cell} ${column.isNumber ? figure : ""}`}>
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
