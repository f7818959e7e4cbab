import type { ReactElement } from "react";
import { ListToolbar, NothingFound, Pager, type ListView } from "./list-view.js";
import { Table, type TableProps } from "./table.js";

interface ListTableProps<Row> extends Omit<TableProps<Row>, "rows" | "view"> {
  view: ListView<Row>;
  /** Noun for a row, such as "member". */
  noun: string;
  /** Placeholder of the search field: names the searched columns. */
  placeholder: string;
}

/** A table with search, sortable headings and pagination. */
export function ListTable<Row>({
  view,
  noun,
  placeholder,
  ...table
}: ListTableProps<Row>): ReactElement {
  return (
    <>
      <div className="p-4 empty:hidden">
        <ListToolbar view={view} noun={noun} placeholder={placeholder} />
      </div>
      {view.found === 0 && <NothingFound view={view} noun={noun} />}
      <Table {...table} view={view} rows={view.pageRows} />
      <Pager view={view} label={`Pages of ${noun}s`} />
    </>
  );
}
