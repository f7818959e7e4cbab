import type { AttentionItem } from "#shared/api/work/overview.js";
import { rowOf } from "./attention-sections.js";

/** The rows of a list whose order stays while it is read. */
interface SettledItems {
  /** The current items. */
  items: readonly AttentionItem[];
  /** The rows in their order, also those whose items are gone: an undo brings one back to its place. */
  order: readonly string[];
  /** Items that are gone, of rows that stay for the moment. */
  gone: ReadonlyMap<string, AttentionItem>;
}

export const settle = (items: readonly AttentionItem[]): SettledItems => ({
  items,
  order: items.map(rowOf),
  gone: new Map(),
});

/**
 * Follows a change of the items: no row moves and none is added, except to a list without any.
 * @param stays whether a row stays although its item is gone
 */
export function follow(
  before: SettledItems,
  items: readonly AttentionItem[],
  stays: (row: string) => boolean,
): SettledItems {
  const current = new Set(items.map(rowOf));
  const shown = new Map([
    ...before.gone,
    ...before.items.map((item) => [rowOf(item), item] as const),
  ]);
  const gone = new Map<string, AttentionItem>();
  for (const row of before.order) {
    const item = shown.get(row);
    if (item !== undefined && !current.has(row) && stays(row)) gone.set(row, item);
  }
  const hasRows = gone.size > 0 || before.order.some((row) => current.has(row));
  return hasRows ? { items, order: before.order, gone } : settle(items);
}

export interface SettledRow {
  row: string;
  item: AttentionItem;
  isGone: boolean;
}

/** The rows to show. */
export function rowsOf({ items, order, gone }: SettledItems): SettledRow[] {
  const current = new Map(items.map((item) => [rowOf(item), item]));
  return order.flatMap((row): SettledRow[] => {
    const item = current.get(row);
    if (item !== undefined) return [{ row, item, isGone: false }];
    const last = gone.get(row);
    return last === undefined ? [] : [{ row, item: last, isGone: true }];
  });
}

/** The items that have no row yet. */
export function freshOf({ items, order }: SettledItems): AttentionItem[] {
  const rows = new Set(order);
  return items.filter((item) => !rows.has(rowOf(item)));
}
