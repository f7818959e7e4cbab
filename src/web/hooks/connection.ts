import { useSyncExternalStore } from "react";

/*
 * Whether the server is reachable. A failed request starts a health check, which decides. The browser's
 * online and offline events are ignored: a server on this machine or network needs no internet access.
 */

const checkTimeoutMs = 5_000;
const firstRetryMs = 1_000;
const longestRetryMs = 8_000;

let isLost = false;
let checking: Promise<boolean> | undefined;
let retryMs = firstRetryMs;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

/** Calls the listener on each loss and recovery. Returns a function that unsubscribes it. */
export function onConnectionChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function isConnectionLost(): boolean {
  return isLost;
}

export function useConnectionLost(): boolean {
  return useSyncExternalStore(onConnectionChange, isConnectionLost);
}

/** Checks whether the server responds; if not, repeats the check until it does. */
export function checkConnection(): Promise<boolean> {
  checking ??= isHealthy().then((isReached) => {
    checking = undefined;
    clearTimeout(timer);
    if (isReached) {
      retryMs = firstRetryMs;
    } else {
      timer = setTimeout(() => void checkConnection(), retryMs);
      retryMs = Math.min(2 * retryMs, longestRetryMs);
    }
    if (isLost === isReached) {
      isLost = !isReached;
      for (const listener of listeners) listener();
    }
    return isReached;
  });
  return checking;
}

async function isHealthy(): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(checkTimeoutMs);
    const { status } = await fetch("/healthz", { cache: "no-store", signal });
    return status < 500;
  } catch {
    return false;
  }
}

function untilConnected(): Promise<void> {
  return new Promise((resolve) => {
    const stop = onConnectionChange(() => {
      if (isLost) return;
      stop();
      resolve();
    });
  });
}

/**
 * Imports a part of the app. Waits while the server is unreachable, since the router would handle a
 * failed import by reloading the document, which ends in the browser's error page.
 * @throws the import's error if the server is reachable and lacks the file, as after an update
 */
export async function loadPart<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (await checkConnection()) throw error;
    await untilConnected();
    return load();
  }
}

/** Checks at once instead of at the next interval, when the network or the tab changes state. */
function recheckIfLost(): void {
  if (isLost && document.visibilityState === "visible") void checkConnection();
}
addEventListener("online", recheckIfLost);
document.addEventListener("visibilitychange", recheckIfLost);
