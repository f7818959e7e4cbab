import { useSyncExternalStore } from "react";
import type { Verdict } from "#shared/api/work/reviews.js";

/** The task whose review is being finished, and what it will say; null while no dialog is open. */
let open: { taskId: string; verdict: Verdict } | null = null;
const listeners = new Set<() => void>();

function change(next: typeof open): void {
  open = next;
  for (const listener of listeners) listener();
}

/** Opens the dialog that publishes the viewer's review, from the diff or the bar of actions. */
export const openReviewDialog = (taskId: string, verdict: Verdict): void =>
  change({ taskId, verdict });
export const closeReviewDialog = (): void => change(null);

/** Returns what the open dialog of a task will say; null while it is closed. */
export function useReviewDialog(taskId: string): Verdict | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => (open?.taskId === taskId ? open.verdict : null),
  );
}
