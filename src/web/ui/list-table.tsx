import type { ReactElement } from "react";
import { ListToolbar, NothingFound, Pager, type ListView } from "./list-view.js";
import { Table, type TableProps } from "./table.js";

interface ListTableProps<Row> extends Omit<TableProps<Row>, "rows" | "view"> {
  view: ListView<Row>;
  /** What a row is, such as "member". */
  noun: string;
  /** What the search looks into. */
  placeholder: string;
}

/** A table with its search, its sorting by the headings and its pages. */
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
      <Table {...table} view={view} rows={view.shown} />
      <Pager view={view} label={`Pages of ${noun}s`} />
    </>
  );
}
