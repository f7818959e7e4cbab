import { createContext, useContext, useEffect, useId } from "react";

/** The forms that hold something typed and not sent. */
const unsaved = new Set<string>();

/** Whether leaving the page would lose something typed. */
export function hasUnsaved(): boolean {
  return unsaved.size > 0;
}

/** The unsaved forms inside one dialog, which asks before it closes over them. */
export const UnsavedScope = createContext<Set<string> | null>(null);

/**
 * Says whether the form holds something unsaved.
 * @returns Forgets it at once, for what navigates away in the same breath as it was saved.
 */
export function useUnsaved(isUnsaved: boolean): () => void {
  const id = useId();
  const scope = useContext(UnsavedScope);
  useEffect(() => {
    if (!isUnsaved) return undefined;
    unsaved.add(id);
    scope?.add(id);
    return () => {
      unsaved.delete(id);
      scope?.delete(id);
    };
  }, [id, isUnsaved, scope]);
  return () => {
    unsaved.delete(id);
    scope?.delete(id);
  };
}
