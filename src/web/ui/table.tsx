import { Fragment, type ReactElement, type ReactNode } from "react";

interface TableProps<Row> {
  label: string;
  columns: readonly { name: string; renderCell: (row: Row) => ReactNode; hideName?: boolean }[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** More about a row, below it over the whole width; undefined where it is not shown. */
  renderDetails?: (row: Row) => ReactNode;
}

/** A table on wide screens; on a phone every row becomes a small card that names its cells. */
export function Table<Row>({
  label,
  columns,
  rows,
  rowKey,
  renderDetails,
}: TableProps<Row>): ReactElement {
  return (
    <table aria-label={label} className="block w-full md:table">
      <thead className="sr-only md:not-sr-only md:table-header-group">
        <tr className="md:border-b md:border-line">
          {columns.map((column) => (
            <th
              key={column.name}
              scope="col"
              className="px-4 py-2 text-left text-[13px] font-medium text-muted"
            >
              <span className={column.hideName ? "sr-only" : ""}>{column.name}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="block divide-y divide-line md:table-row-group">
        {rows.map((row) => {
          const details = renderDetails?.(row);
          return (
            <Fragment key={rowKey(row)}>
              <tr className="block px-4 py-3 md:table-row md:p-0">
                {columns.map((column) => (
                  <td
                    key={column.name}
                    className="grid grid-cols-[7rem_minmax(0,1fr)] items-center gap-2 py-0.5 md:table-cell md:px-4 md:py-2.5 md:align-middle"
                  >
                    <span aria-hidden="true" className="text-[13px] text-muted md:hidden">
                      {column.hideName ? "" : column.name}
                    </span>
                    <div className="min-w-0">{column.renderCell(row)}</div>
                  </td>
                ))}
              </tr>
              {details !== undefined && (
                <tr className="block bg-canvas px-4 py-3 md:table-row md:p-0">
                  <td colSpan={columns.length} className="block md:table-cell md:px-4 md:py-3">
                    {details}
                  </td>
                </tr>
              )}
            </Fragment>
          );
        })}
      </tbody>
    </table>
  );
}
