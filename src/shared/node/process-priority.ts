import { getPriority, setPriority } from "node:os";

/** Added niceness of background work and agents' commands, relative to the server. */
const STEP = 5;
/** The largest niceness (setpriority(2)). */
const MAX = 19;

/**
 * Lowers a process's priority below the server's own. Best effort: does nothing if the process has
 * ended, or if it belongs to another user and the server lacks CAP_SYS_NICE. Limits do not depend
 * on it.
 */
export function lowerPriority(pid: number): void {
  try {
    setPriority(pid, Math.min(MAX, getPriority() + STEP));
  } catch {
    // The process keeps the server's priority.
  }
}
