import { useState } from "react";
import type { AttentionItem } from "#shared/api/work/overview.js";
import { follow, freshOf, rowsOf, settle, type SettledRow } from "./settled-items.js";

interface SettledView {
  rows: SettledRow[];
  /** Items that wait to be shown. */
  fresh: AttentionItem[];
  /** Shows all items in the order of the server. */
  showFresh: () => void;
  /** Removes rows whose items are gone, except one. */
  drop: (except: string | null) => void;
}

/**
 * Keeps rows in their places while items come and go.
 * @param items the same array as long as nothing changes
 * @param stays whether a row stays although its item is gone
 */
export function useSettledItems(
  items: readonly AttentionItem[],
  stays: (row: string) => boolean,
): SettledView {
  const [state, setState] = useState(() => settle(items));
  let current = state;
  if (state.items !== items) {
    current = follow(state, items, stays);
    setState(current);
  }
  return {
    rows: rowsOf(current),
    fresh: freshOf(current),
    showFresh: () => setState(settle(items)),
    drop: (except) => setState((before) => follow(before, before.items, (row) => row === except)),
  };
}
