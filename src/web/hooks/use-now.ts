import { useSyncExternalStore } from "react";

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const listener of listeners) listener();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function read(): number {
  // Without subscribers the value is not updated.
  if (timer === undefined) now = Date.now();
  return now;
}

/** Returns the current time in milliseconds, updated every second, in step for all components. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, read);
}
