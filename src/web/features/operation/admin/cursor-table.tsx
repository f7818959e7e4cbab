import type { ComponentProps, ReactElement } from "react";
import { type CursorList, useCursorPages } from "../../../api/cursor-pages.js";
import { Card } from "../../../ui/layout/card.js";
import { PageSteps } from "../../../ui/tables/list-view.js";
import { Table, type TableProps } from "../../../ui/tables/table.js";
import { Waiting } from "../../../components/await.js";

interface CursorTableProps<Row>
  extends
    Omit<TableProps<Row>, "rows" | "view">,
    Pick<ComponentProps<typeof Card>, "title" | "actions"> {
  list: CursorList<Row>;
  /** Text of an empty list. */
  empty: string;
}

/** A table with cursor pagination. */
export function CursorTable<Row>({
  list,
  empty,
  title,
  actions,
  ...table
}: CursorTableProps<Row>): ReactElement {
  const { query, rows, place } = useCursorPages(list);
  if (query.data === undefined) return <Waiting query={query} />;
  return (
    <Card title={title} actions={actions} isFlush>
      {rows.length === 0 ? (
        <p className="px-4 py-10 text-center text-muted">{empty}</p>
      ) : (
        <Table {...table} rows={rows} />
      )}
      <PageSteps label={`Pages of ${table.label}`} {...place} />
    </Card>
  );
}
