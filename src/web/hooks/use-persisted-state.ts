import { useSyncExternalStore } from "react";

const storages = { forever: () => localStorage, session: () => sessionStorage };

/** What is in the storages, as values; undefined where nothing that is understood is there. */
const values = new Map<string, unknown>();
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * State that outlives a reload: `forever` in this browser, or for this tab's `session`; all who name the
 * same key share it. What is stored and no longer understood is as if it were not there; where nothing
 * can be stored, it lasts as long as the page.
 */
export function usePersistedState<Value>(
  howLong: keyof typeof storages,
  key: string,
  initial: Value,
  isValid: (stored: unknown) => boolean,
): [Value, (next: Value) => void] {
  const id = `${howLong} ${key}`;
  const value = useSyncExternalStore(subscribe, () => {
    if (!values.has(id)) values.set(id, read(howLong, key, isValid));
    return values.get(id) as Value | undefined;
  });
  const change = (next: Value): void => {
    values.set(id, next);
    for (const listener of listeners) listener();
    try {
      storages[howLong]().setItem(key, JSON.stringify(next));
    } catch {
      // Full or forbidden: it lasts as long as the page.
    }
  };
  return [value ?? initial, change];
}

function read(
  howLong: keyof typeof storages,
  key: string,
  isValid: (stored: unknown) => boolean,
): unknown {
  try {
    const stored: unknown = JSON.parse(storages[howLong]().getItem(key) ?? "null");
    return isValid(stored) ? stored : undefined;
  } catch {
    return undefined;
  }
}

/** Drops what was remembered for the session: it is somebody's who signed out. */
export function forgetSession(): void {
  for (const id of values.keys()) if (id.startsWith("session ")) values.delete(id);
  try {
    sessionStorage.clear();
  } catch {
    // Nothing could be stored either.
  }
}
