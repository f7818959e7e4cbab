import { getPriority, setPriority } from "node:os";

/**
 * Added niceness relative to the server. A command gets a seventieth of the server's share of busy processors, so that
 * dozens of them do not slow the server.
 */
const STEPS = { helper: 5, background: 10, command: 19 } as const;
/** The largest niceness (setpriority(2)). */
const MAX = 19;

/**
 * Lowers a process's priority below the server's own. Best effort: does nothing if the process has
 * ended, or if it belongs to another user and the server lacks CAP_SYS_NICE. Limits do not depend
 * on it.
 */
export function lowerPriority(pid: number, kind: keyof typeof STEPS): void {
  try {
    setPriority(pid, Math.min(MAX, getPriority() + STEPS[kind]));
  } catch {
    // The process keeps the server's priority.
  }
}
