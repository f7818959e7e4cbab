import { setTimeout as pause } from "node:timers/promises";
import { ApiError } from "#shared/contract/call.js";

/** A file that was written for one operation; no other one has its path. */
interface Work {
  projectId: string;
  branch: string;
  path: string;
  isAcknowledged: boolean;
  /** The commit that the server named. */
  sha: string | null;
}

export interface StartedRun {
  id: string;
  agentId: string;
  projectId: string;
  branch: string;
  /** Part of its command line, and the file that it makes before it ends. */
  marker: string;
  isRemote: boolean;
  isStopped: boolean;
}

/** The answers that a client got. */
export interface Journal {
  commits: Work[];
  merges: Work[];
  pushes: Work[];
  runs: StartedRun[];
  /** Starts of runs whose outcome is unknown, by the marker of their commands. */
  unknownRuns: string[];
  revokedKeys: { key: string; at: number }[];
  /** Answers that contradict the documentation, and uses of revoked keys. */
  failures: string[];
  /** Numbers of requests by outcome. */
  outcomes: Map<string, number>;
}

export const newJournal = (): Journal => ({
  commits: [],
  merges: [],
  pushes: [],
  runs: [],
  unknownRuns: [],
  revokedKeys: [],
  failures: [],
  outcomes: new Map(),
});

/** The outcome of a request: executed, certainly not executed, or unknown. */
export type Outcome<Result> =
  | { kind: "done"; result: Result }
  | { kind: "refused"; code: string }
  | { kind: "unknown" };

/** Codes of requests that were not executed because of a fault, or of another one at the same time. */
const passing = new Set([
  "unavailable",
  "home_unavailable",
  "folder_unavailable",
  "workspace_busy",
  "run_in_progress",
  "quota_exceeded",
  "queue_full",
  "run_ended",
]);

/** Sends a request once, and counts its outcome. A contradiction of the documentation is a failure. */
export async function attempt<Result>(
  journal: Journal,
  name: string,
  request: () => Promise<Result>,
): Promise<Outcome<Result>> {
  const count = (outcome: string): void => {
    const key = `${name}: ${outcome}`;
    journal.outcomes.set(key, (journal.outcomes.get(key) ?? 0) + 1);
  };
  try {
    const result = await request();
    count("done");
    return { kind: "done", result };
  } catch (error) {
    if (!(error instanceof ApiError)) {
      count("no answer");
      return { kind: "unknown" };
    }
    const { code, status } = error;
    count(code);
    if (code === "outcome_unknown") return { kind: "unknown" };
    if (!passing.has(code)) journal.failures.push(`${name}: ${status} ${code} ${error.message}`);
    return { kind: "refused", code };
  }
}

/** Repeats a request without lasting effects until it is answered. */
export async function insist<Result>(
  journal: Journal,
  name: string,
  request: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result | null> {
  while (!signal.aborted) {
    const outcome = await attempt(journal, name, request);
    if (outcome.kind === "done") return outcome.result;
    await pause(200);
  }
  return null;
}
