import { useSyncExternalStore } from "react";

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function read(): number {
  // Nobody has looked for a while.
  if (timer === undefined) now = Date.now();
  return now;
}

/** The time in milliseconds, new each second, at the same moment for all who show it. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, read);
}
