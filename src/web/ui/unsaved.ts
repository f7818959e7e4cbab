import { createContext, useContext, useEffect, useId } from "react";

/** What the viewer is asked before leaving loses something. */
export interface LeaveQuestion {
  title: string;
  description: string;
  stay: string;
  leave: string;
}

export const aboutTyped: LeaveQuestion = {
  title: "Discard your changes?",
  description: "They are not saved, and are lost when you leave.",
  stay: "Keep editing",
  leave: "Discard changes",
};

/** The parts of the page that hold something that leaving loses, by their ids. */
const unsaved = new Map<string, LeaveQuestion>();

/** Whether leaving the page would lose something. */
export function hasUnsaved(): boolean {
  return unsaved.size > 0;
}

/** The question of the part that came last. */
export function leaveQuestion(): LeaveQuestion {
  return [...unsaved.values()].at(-1) ?? aboutTyped;
}

/** The unsaved forms inside one dialog, which asks before it closes over them. */
export const UnsavedScope = createContext<Set<string> | null>(null);

/**
 * Says whether the part holds something that leaving loses.
 * @param question a constant; by default about changes of a form
 * @returns Forgets it at once, for a navigation right after saving.
 */
export function useUnsaved(isUnsaved: boolean, question = aboutTyped): () => void {
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
