import { RE2JS } from "re2js";
import {
  endCheck,
  listEndedChecks,
  listOpenQueues,
  requeueCheck,
  sendAdvance,
  type BranchQueue,
  type EndedCheck,
} from "../../../code/workspaces/index.js";
import type { RunDeps } from "../run-deps.js";
import type { CheckRun } from "../managed-runs.queries.js";
import { projectOf } from "../runs.queries.js";
import { removeFolder } from "./check-folder.js";
import { openRunLog } from "../stored-logs/open-run-log.js";
import { setImmediate as immediate } from "node:timers/promises";
import { logText, type LogReader } from "../logs/log-reader.js";

/** Starts of a check whose servers died, before it counts as failed. */
const MAX_ATTEMPTS = 3;

/**
 * Records the results of checks of this node whose runs have ended, removes their folders, and continues their
 * queues. Idempotent; any of its processes may do it.
 * @param further queues to continue
 */
export async function endChecks(
  deps: RunDeps,
  further: readonly (Omit<BranchQueue, "branch"> & Pick<EndedCheck, "branch">)[] = [],
): Promise<void> {
  const ended = await deps.db.withSystem("find ended checks", (tx) =>
    listEndedChecks(tx, deps.db.node.id),
  );
  for (const check of ended) {
    // One that fails must not hold up the others.
    await end(deps, check).catch((error: unknown) => {
      deps.log.error({ err: error, check: check.id }, "cannot record the result of a check");
    });
  }
  for (const { org_id, project_id, branch } of [...ended, ...further]) {
    if (branch !== null) await sendAdvance(deps, { org_id, project_id, branch });
  }
  if (ended.length > 0) await deps.jobs.send("start-checks", {});
}

/** Records the result of a check's run and removes its folder. */
export async function endCheckOf(deps: RunDeps, run: CheckRun): Promise<void> {
  const { id: run_id, org_id } = run;
  const project_id = await deps.db.tenant(org_id, (tx) => projectOf(tx, run_id));
  // Also of a check that was canceled meanwhile.
  await removeFolder(deps, { org_id, project_id, run_id });
  await endChecks(deps);
  await deps.jobs.send("start-checks", {});
}

/** Does what a lost job would have done: ends checks, starts queued ones, and continues the queues. */
export async function continueChecks(deps: RunDeps): Promise<void> {
  const queues = await deps.db.withSystem("find merge queues", (tx) =>
    listOpenQueues(tx, deps.db.node.id),
  );
  const isPaused = (await deps.db.maintenance()) !== null;
  await endChecks(deps, isPaused ? [] : queues);
  if (queues.length > 0 && !isPaused) await deps.jobs.send("start-checks", {});
}

async function end(deps: RunDeps, check: EndedCheck): Promise<void> {
  await removeFolder(deps, check).catch((error: unknown) => {
    deps.log.error({ err: error, run: check.run_id }, "cannot remove the folder of a check");
  });
  const result = await resultOf(deps, check);
  await deps.db.tenant(check.org_id, (tx) =>
    "isCounted" in result
      ? requeueCheck(tx, check, result.isCounted)
      : endCheck(tx, check, result.status, result.detail),
  );
}

/** The result of a check; or whether its interrupted start counts, and it is queued again. */
type Result = { status: "passed" | "failed"; detail: string | null } | { isCounted: boolean };

async function resultOf(deps: RunDeps, check: EndedCheck): Promise<Result> {
  const { run_status, run_detail, exit_code, attempts, output_truncated } = check;
  // Only the server stops a check, and neither that nor used-up hours say anything about the commit.
  if (run_status === "stopped" || run_status === "quota_exceeded") return { isCounted: false };
  if (run_status === "lost" && attempts < MAX_ATTEMPTS) return { isCounted: true };
  if (check.definition.paths !== undefined) return regenerationResultOf(check);
  if (run_status !== "succeeded" || exit_code !== 0) {
    return { status: "failed", detail: run_detail };
  }
  const { log_pattern } = check.definition;
  if (log_pattern === null) return { status: "passed", detail: null };
  const ofRun = { orgId: check.org_id, projectId: check.project_id, runId: check.run_id };
  const log = await openRunLog(deps.logStorage, ofRun, (work) => work());
  if (await hasMatchingLine(log, RE2JS.compile(log_pattern))) {
    return { status: "passed", detail: null };
  }
  const stored = output_truncated ? "its stored output, which lacks the end," : "its output";
  const detail = `Its command exited normally, but no line of ${stored} matches ${log_pattern}.`;
  return { status: "failed", detail };
}

function regenerationResultOf(check: EndedCheck): Result {
  const { run_status, run_detail, exit_code, outputs, attempts } = check;
  if (outputs !== null) return { status: "passed", detail: null };
  if (run_status !== "succeeded" || exit_code !== 0) {
    const meaning = exit_code === null ? undefined : meanings[exit_code];
    return { status: "failed", detail: meaning ?? run_detail };
  }
  // Its server was killed after the command had exited, and before its files were stored.
  if (check.detail === null && attempts < MAX_ATTEMPTS) return { isCounted: true };
  return { status: "failed", detail: check.detail ?? "Its files were not stored." };
}

/** The exit codes by which shells and the sandbox say that a program did not start. */
const meanings: Record<number, string> = {
  126: "Its command exited with code 126: a program could not be executed.",
  127: "Its command exited with code 127: a program was not found in the sandbox.",
};

/** Longer lines are matched by their beginning, in UTF-16 code units. */
const MAX_LINE = 10_000;

/**
 * Whether a line of a stored log matches, without its line break; closes the log. The time is proportional to the
 * log's length, and other work of the process goes on meanwhile.
 */
async function hasMatchingLine(log: LogReader | null, pattern: RE2JS): Promise<boolean> {
  if (!log) return false;
  const matches = (line: string): boolean => pattern.matcher(line.slice(0, MAX_LINE)).find();
  try {
    let rest = "";
    for await (const text of logText(log, { times: false })) {
      const lines = (rest + text).split("\n");
      rest = (lines.pop() ?? "").slice(0, MAX_LINE);
      for (const line of lines) if (matches(line)) return true;
      await immediate();
    }
    return rest !== "" && matches(rest);
  } finally {
    await log.close();
  }
}
