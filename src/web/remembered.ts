import { useState } from "react";

const storages = { forever: () => localStorage, session: () => sessionStorage };

/**
 * State that outlives a reload: `forever` in this browser, or for this tab's `session`. What is stored
 * and no longer understood is as if it were not there; where nothing can be stored, it is plain state.
 * Another `key` is other state.
 */
export function useRemembered<Value>(
  howLong: keyof typeof storages,
  key: string,
  initial: Value,
  isValid: (stored: unknown) => boolean,
): [Value, (next: Value) => void] {
  const [kept, setKept] = useState<{ key: string; value: Value } | null>(null);
  const value = kept?.key === key ? kept.value : (read() ?? initial);

  function read(): Value | undefined {
    try {
      const stored: unknown = JSON.parse(storages[howLong]().getItem(key) ?? "null");
      return isValid(stored) ? (stored as Value) : undefined;
    } catch {
      return undefined;
    }
  }
  const change = (next: Value): void => {
    setKept({ key, value: next });
    try {
      storages[howLong]().setItem(key, JSON.stringify(next));
    } catch {
      // Full or forbidden: it holds until the page is left.
    }
  };
  return [value, change];
}
