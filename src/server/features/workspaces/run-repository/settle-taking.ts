import * as pushes from "../pushes/pushes.queries.js";
import type { ActiveWorkspace, WorkspaceDeps } from "../workspace.js";
import type { CommitSource, Taking } from "./take-commits.js";

/**
 * Returns the newest commit that the branch has. Commits that were being taken when a server ended are on
 * the branch or were forgotten; they must not be taken twice, since those on the branch may have other parents.
 */
export async function settleTaking(
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
