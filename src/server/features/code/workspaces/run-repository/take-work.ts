/** Takes the work of a run on another machine: its commits, and its uncommitted files as a checkpoint. */
import type { Logger } from "pino";
import type { Commit } from "#shared/api/code/commits.js";
import { PackRefusedError } from "#git/smart-http/quarantine.js";
import { AppError } from "../../../../errors.js";
import * as checkpoints from "../commits/checkpoints.queries.js";
import { activeUnderLock } from "../commits/commit-workspace.js";
import { withRemoteWorkspace } from "../run-on-runner.js";
import type { ActiveWorkspace, WorkspaceDeps } from "../workspace.js";
import { commitReceivedFiles } from "./commit-received-files.js";
import type { ReceivedWork } from "./receive-work.js";
import { refusalOf, takeCommits, TAKE_MS, type CommitSource, type Taking } from "./take-commits.js";
import * as pushes from "../pushes/pushes.queries.js";

/** The run that the work is of; `runScript` and `place` of `CommitSource` do not apply. */
export interface WorkSource extends Pick<
  CommitSource,
  "hasEnded" | "maxBytes" | "signal" | "begin" | "record"
> {
  org_id: string;
  agent_id: string;
  /** As `RunCommits.findTip`. Called under the workspace's lock. @throws AppError if the run has ended */
  findTip: () => Promise<{ tip: string; taking: Taking | null }>;
}

export interface TakenWork {
  /** The newest commit of the run's repository that the branch has. */
  tip: string;
  /** Commits that the server has. */
  known: string[];
  /** Why commits were not taken, as a sentence; null if they were. */
  commitError: string | null;
  /** The checkpoint of the files; null if nothing had changed, or checkpoints are off. */
  checkpoint: Commit | null;
  checkpointError: string | null;
}

/**
 * Takes work under the workspace's lock. A repetition changes nothing.
 * @throws AppError 409 `workspace_not_active`, `workspace_busy`; those of `findTip`
 */
export function takeWork(
  deps: WorkspaceDeps,
  source: WorkSource,
  work: ReceivedWork,
  log: Logger,
): Promise<TakenWork> {
  const { org_id, agent_id } = source;
  return withRemoteWorkspace(deps, org_id, agent_id, async ({ workspace, baseCommit }) => {
    const tip = await resolveTaking(deps, workspace, await source.findTip(), source);
    const before = await activeUnderLock(deps, org_id, agent_id);
    let commitError: string | null = null;
    if (hasCommits(source, work, [tip, before.head_commit, baseCommit])) {
      await takeCommits(deps, before, {
        ...source,
        tip,
        place: null,
        runScript: scriptOf(work),
        refused: (reason) => {
          commitError = reason;
        },
      });
    }
    const { tip: newTip } = await source.findTip();
    const after = await activeUnderLock(deps, org_id, agent_id);
    const known = [...new Set([newTip, after.head_commit, ...(baseCommit ? [baseCommit] : [])])];
    const { commit, error } = await takeFiles(deps, after, source, work, known, log);
    if (commit) known.push(commit.commit_sha);
    return {
      tip: newTip,
      known: [...new Set(known)],
      commitError,
      checkpoint: commit,
      checkpointError: error,
    };
  });
}

function hasCommits(
  { hasEnded }: WorkSource,
  { branch, head }: ReceivedWork,
  known: readonly (string | null)[],
): boolean {
  return [branch, ...(hasEnded ? [head] : [])].some((oid) => oid !== null && !known.includes(oid));
}

/** Prints what the script of a folder's repository would. */
function scriptOf({ branch, head, readPack }: ReceivedWork): CommitSource["runScript"] {
  return async ({ args: [, second], onOutput }) => {
    const current = second === "HEAD" ? head : null;
    await onOutput(Buffer.from(`omoi ${branch ?? "-"} ${current ?? "-"}\n`));
    for await (const chunk of readPack()) await onOutput(chunk);
    return null;
  };
}

/** Commits the uncommitted files. A failure is returned, and shown as the workspace's `checkpoint_error`. */
async function takeFiles(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  { maxBytes, signal }: WorkSource,
  { files, readPack, hasPack }: ReceivedWork,
  known: readonly string[],
  log: Logger,
): Promise<{ commit: Commit | null; error: string | null }> {
  const nothing = { commit: null, error: null };
  if (files === null || !workspace.auto_checkpoint) return nothing;
  const { org_id } = workspace;
  try {
    const commit = await commitReceivedFiles(deps, workspace, {
      files,
      pack: hasPack ? readPack() : null,
      known,
      maxBytes,
      signal: AbortSignal.any([signal, AbortSignal.timeout(TAKE_MS)]),
    });
    if (workspace.checkpoint_error !== null) {
      await deps.db.tenant(org_id, (tx) =>
        checkpoints.clearCheckpointError(tx, workspace.agent_id),
      );
    }
    return { commit, error: null };
  } catch (error) {
    if (!(error instanceof PackRefusedError) && !(error instanceof AppError)) throw error;
    if (error instanceof AppError && error.code === "home_unavailable") throw error;
    const detail = refusalOf("Its files were not committed", error);
    log.warn({ agent: workspace.agent_id, detail }, "the files of a run were not committed");
    const failure = { code: error instanceof AppError ? error.code : "validation_failed", detail };
    await deps.db.tenant(org_id, (tx) => checkpoints.recordCheckpointError(tx, workspace, failure));
    return { ...nothing, error: detail };
  }
}

/**
 * Returns the newest commit that the branch has. Commits that were being taken when a server ended are on
 * the branch or were forgotten; they must not be taken twice, since those on the branch may have other parents.
 */
export async function resolveTaking(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  { tip, taking }: { tip: string; taking: Taking | null },
  { record }: Pick<CommitSource, "record">,
): Promise<string> {
  if (taking === null) return tip;
  const { org_id, agent_id } = workspace;
  const { to, commits } = taking;
  // Not asked of git: a kill may have left the commit without its parents.
  return deps.db.tenant(org_id, async (tx) => {
    if (!(await pushes.isRecorded(tx, agent_id, to))) return tip;
    await record(tx, { tip: taking.tip, commits, diverged: [], error: null });
    return taking.tip;
  });
}
