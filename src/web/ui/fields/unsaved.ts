import { createContext, useContext, useEffect, useId } from "react";

/** Confirmation question before unsaved content is discarded. */
export interface LeaveQuestion {
  title: string;
  description: string;
  stay: string;
  leave: string;
}

export const unsavedChangesQuestion: LeaveQuestion = {
  title: "Discard your changes?",
  description: "They are not saved, and are lost when you leave.",
  stay: "Keep editing",
  leave: "Discard changes",
};

/** Components with unsaved content, by id. */
const unsaved = new Map<string, LeaveQuestion>();

/** Whether leaving the page would discard unsaved content. */
export function hasUnsaved(): boolean {
  return unsaved.size > 0;
}

/** Returns the question of the component registered last. */
export function leaveQuestion(): LeaveQuestion {
  return [...unsaved.values()].at(-1) ?? unsavedChangesQuestion;
}

/** The unsaved forms inside one dialog, which asks for confirmation before it closes. */
export const UnsavedScope = createContext<Set<string> | null>(null);

/**
 * Registers whether the component has unsaved content.
 * @param question a constant; by default about unsaved changes
 * @returns a function that unregisters it at once, for a navigation right after saving
 */
export function useUnsaved(isUnsaved: boolean, question = unsavedChangesQuestion): () => void {
  const id = useId();
  const scope = useContext(UnsavedScope);
  useEffect(() => {
    if (!isUnsaved) return undefined;
    unsaved.set(id, question);
    scope?.add(id);
    return () => {
      unsaved.delete(id);
      scope?.delete(id);
    };
  }, [id, isUnsaved, question, scope]);
  return () => {
    unsaved.delete(id);
    scope?.delete(id);
  };
}
