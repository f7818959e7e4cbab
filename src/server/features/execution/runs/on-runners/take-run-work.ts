import type { WorkReceipt } from "#shared/execution/runner/protocol.js";
import { workspaceBusy } from "../../../../errors.js";
import { takeWork, withReceivedWork, type WorkSource } from "../../../code/workspaces/index.js";
import { safeMessage } from "#execution/scripts/run-script.js";
import { createMasker } from "#execution/logs/mask-secrets.js";
import * as managed from "../managed-runs.queries.js";
import { requireRunning } from "./require-run.js";
import type { RunnerRunDeps } from "./runner-run-deps.js";
import type { RunnerRun } from "./runner-runs.queries.js";

interface SentWork {
  chunks: AsyncIterable<Buffer>;
  /** Whether the command has exited. */
  hasEnded: boolean;
  /** Aborted when the sender is late or the server stops. */
  signal: AbortSignal;
}

/** The runs whose work is being received or taken. */
const receiving = new Set<string>();

/**
 * Takes what a runner sends of a run: commits, and uncommitted files.
 * @throws AppError 404; 409 `run_ended`, `run_not_offered`, `workspace_busy`, `workspace_not_active`; 400 for a body of
 * another form, 413 for one that is too large
 */
export async function takeRunWork(
  deps: RunnerRunDeps,
  runnerId: string,
  runId: string,
  sent: SentWork,
): Promise<WorkReceipt> {
  const run = await requireRunning(deps.db, runnerId, runId);
  // Otherwise a runner could fill the disk.
  if (receiving.has(runId)) throw workspaceBusy("The work of this run is being taken");
  receiving.add(runId);
  try {
    return await takeNow(deps, runnerId, run, sent);
  } finally {
    receiving.delete(runId);
  }
}

async function takeNow(
  deps: RunnerRunDeps,
  runnerId: string,
  run: RunnerRun,
  { chunks, hasEnded, signal }: SentWork,
): Promise<WorkReceipt> {
  const { db, storage, settings, workspaces, log } = deps;
  const { id, org_id, agent_id } = run;
  const maxBytes = settings.maxPushMib * 1024 * 1024;
  // The values of the run's secrets are with its runner; keys are masked by their shape.
  const masker = createMasker([], settings.keyPrefix);
  const source: WorkSource = {
    org_id,
    agent_id,
    hasEnded,
    maxBytes,
    signal,
    findTip: async () => {
      await requireRunning(db, runnerId, id);
      const found = await db.tenant(org_id, (tx) => managed.findRepository(tx, id));
      if (found === null) throw new Error(`the run ${id} has no repository`);
      return found;
    },
    begin: (tx, taking) => managed.recordTaking(tx, id, taking),
    record: (tx, taken) => {
      const error = taken.error === null ? null : safeMessage(taken.error, masker);
      return managed.recordTakenCommits(tx, id, { ...taken, error });
    },
  };
  const repoPath = storage.repository(org_id, run.project);
  const taken = await withReceivedWork(repoPath, chunks, maxBytes, (work) =>
    takeWork(workspaces, source, work, log),
  );
  const { checkpoint, checkpointError, commitError, tip, known } = taken;
  if (hasEnded && (checkpoint !== null || checkpointError !== null)) {
    const values = {
      checkpoint_sha: checkpoint?.commit_sha ?? null,
      checkpoint_error: checkpointError && safeMessage(checkpointError, masker),
    };
    await db.tenant(org_id, (tx) => managed.recordCheckpoint(tx, id, values));
  }
  const reason = commitError ?? checkpointError;
  return { tip, known, error: reason && safeMessage(reason, masker) };
}
