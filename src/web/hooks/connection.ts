import { useSyncExternalStore } from "react";

/*
 * Whether the server can be reached. A failed request is a suspicion; the server's own health check
 * decides. The browser's online and offline events do not: a server on this machine or in this network
 * needs no internet.
 */

const checkTimeoutMs = 5_000;
const firstRetryMs = 1_000;
const longestRetryMs = 8_000;

let isLost = false;
let checking: Promise<boolean> | undefined;
let retryMs = firstRetryMs;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

/** Calls the listener at each loss and each recovery. Returns the end of it. */
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

/** Asks whether the server answers; while it does not, asks again by itself. */
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
 * Loads a part of the app. While the server cannot be reached it waits instead of failing: the router
 * would answer a failure by loading the document anew, and the browser by its own error page.
 * @throws the import's error where the server is reached and lacks the file, as after an update
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

/** At once instead of after the next wait, where the browser has reason for hope. */
function checkIfLost(): void {
  if (isLost && document.visibilityState === "visible") void checkConnection();
}
addEventListener("online", checkIfLost);
document.addEventListener("visibilitychange", checkIfLost);
