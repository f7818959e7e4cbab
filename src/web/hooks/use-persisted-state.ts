import { useSyncExternalStore } from "react";

const storages = { forever: () => localStorage, session: () => sessionStorage };

/** Parsed values of the storages; undefined if missing or invalid. */
const values = new Map<string, unknown>();
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * State that survives a reload: `forever` in this browser, or during this tab's `session`. Components
 * with the same key share it. Invalid stored values are ignored. If the storage is unavailable, the
 * state lasts as long as the page.
 */
export function usePersistedState<Value>(
  howLong: keyof typeof storages,
  key: string,
  initial: Value,
  isValid: (stored: unknown) => boolean,
): [Value, (next: Value) => void] {
  const id = `${howLong} ${key}`;
  const value = useSyncExternalStore(subscribe, () => {
    if (!values.has(id)) values.set(id, persisted(howLong, key, isValid));
    return values.get(id) as Value | undefined;
  });
  const change = (next: Value): void => {
    values.set(id, next);
    for (const listener of listeners) listener();
    try {
      storages[howLong]().setItem(key, JSON.stringify(next));
    } catch {
      // The storage is full or blocked: the state lasts as long as the page.
    }
  };
  return [value ?? initial, change];
}

/** Returns a stored value; undefined if it is missing or invalid. */
export function persisted(
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

/** Clears the session's values on sign-out. */
export function forgetSession(): void {
  for (const id of values.keys()) if (id.startsWith("session ")) values.delete(id);
  try {
    sessionStorage.clear();
  } catch {
    // The storage is blocked, so it has no values either.
  }
}
