import { useState } from "react";
import { type LeaveQuestion, useUnsaved } from "../../ui/unsaved.js";

export const aboutKey: LeaveQuestion = {
  title: "Leave without copying the key?",
  description: "The key is shown only once. If you lose it, revoke it and generate another.",
  stay: "Stay on this page",
  leave: "Leave without copying",
};

/**
 * Has the viewer asked before leaving, until a new key is copied or downloaded.
 * @param secret null where none is shown
 * @returns Whether it is saved elsewhere, and what notes that.
 */
export function useKeyGuard(secret: string | null): { isSaved: boolean; onSaved: () => void } {
  const [saved, setSaved] = useState<string | null>(null);
  const isSaved = saved === secret;
  const forget = useUnsaved(!isSaved, aboutKey);
  const onSaved = (): void => {
    forget();
    setSaved(secret);
  };
  return { isSaved, onSaved };
}
