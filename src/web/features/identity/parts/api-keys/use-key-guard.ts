import { useState } from "react";
import { type LeaveQuestion, useUnsaved } from "../../../../ui/fields/unsaved.js";

export const unsavedKeyQuestion: LeaveQuestion = {
  title: "Leave without copying the key?",
  description: "The key is shown only once. If you lose it, revoke it and generate another.",
  stay: "Stay on this page",
  leave: "Leave without copying",
};

/**
 * Asks for confirmation before the viewer leaves, until a new key is copied or downloaded.
 * @param secret null if none is shown
 * @returns whether the key has been saved elsewhere, and a callback that records it
 */
export function useKeyGuard(secret: string | null): { isSaved: boolean; onSaved: () => void } {
  const [saved, setSaved] = useState<string | null>(null);
  const isSaved = saved === secret;
  const forget = useUnsaved(!isSaved, unsavedKeyQuestion);
  const onSaved = (): void => {
    forget();
    setSaved(secret);
  };
  return { isSaved, onSaved };
}
