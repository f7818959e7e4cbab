/** The checks of `omoi doctor`, on both sides: the command tries the proxy, and the servers try themselves. */
import type { DoctorCheck } from "../api/operation/doctor.js";

/** The result of a check. A cure is a sentence or a command. */
export type Finding =
  | { status: "ok" | "skipped"; seen: string }
  | { status: "warning" | "failed"; seen: string; cure: string };

/** One entry in a list of checks. It changes nothing that it does not undo, also when it fails. */
export interface Check {
  name: string;
  /** The attempt, as an imperative. */
  tried: string;
  /** The cure for an error that `run` throws. */
  cure: string;
  /** Milliseconds until the check has failed; null for one that ends by itself. */
  limitMs: number | null;
  /** @param signal aborts when the time is up, or the caller stops */
  run: (signal: AbortSignal) => Promise<Finding>;
}

/**
 * Runs a check; one that throws or is late has failed.
 * @param server the name of the server that runs it; null for none
 */
export async function runCheck(
  { name, tried, cure, limitMs, run }: Check,
  server: string | null,
  stop?: AbortSignal,
): Promise<DoctorCheck> {
  const late = new AbortController();
  const signal = stop === undefined ? late.signal : AbortSignal.any([late.signal, stop]);
  const fail = (error: unknown): Finding => ({ status: "failed", seen: firstLineOf(error), cure });
  const running = run(signal).catch(fail);
  const finding =
    limitMs === null
      ? await running
      : await Promise.race([running, failAfter(limitMs, late, cure, running)]);
  return { name, server, tried, ...finding, cure: "cure" in finding ? finding.cure : null };
}

/** Aborts after a time, unless the work ends before. */
function failAfter(
  limitMs: number,
  late: AbortController,
  cure: string,
  work: Promise<unknown>,
): Promise<Finding> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      late.abort(new Error("the time is up"));
      resolve({ status: "failed", seen: `it did not end within ${limitMs / 1000} s`, cure });
    }, limitMs);
    void work.finally(() => clearTimeout(timer));
  });
}

/** Returns the first line of an error, or its code, without a full stop. */
function firstLineOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return ((message || code) ?? String(error)).split("\n", 1)[0]?.replace(/\.$/, "") ?? "";
}

/** Returns a text as the beginning of a sentence. */
export const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
