import { getPriority, setPriority } from "node:os";

/** How much nicer background work and agents' commands are than the server. */
const STEP = 5;
/** The largest niceness (setpriority(2)). */
const MAX = 19;

/**
 * Lowers the priority of a process below the server's own, which `nice` may have lowered already. Does
 * nothing where the process has ended or belongs to another user and the server has no CAP_SYS_NICE: the
 * priority is a courtesy, limits hold without it.
 */
export function lowerPriority(pid: number): void {
  try {
    setPriority(pid, Math.min(MAX, getPriority() + STEP));
  } catch {
    // The process keeps the server's priority.
  }
}
