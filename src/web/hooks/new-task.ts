import { useSyncExternalStore } from "react";

/** What the dialog for a new task starts with. */
interface Draft {
  text: string;
  /** The project that is chosen; undefined for the page's. */
  projectId: string | undefined;
}

/** Null while the dialog is closed. */
let draft: Draft | null = null;
const listeners = new Set<() => void>();

function change(next: Draft | null): void {
  draft = next;
  for (const listener of listeners) listener();
}

/** Opens the dialog for a new task, from any page. */
export const openNewTask = (text = "", projectId?: string): void => change({ text, projectId });
export const closeNewTask = (): void => change(null);

/** Returns what the open dialog starts with; null while it is closed. */
export function useNewTaskDraft(): Draft | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => draft,
  );
}
