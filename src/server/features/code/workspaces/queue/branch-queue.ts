import type { WorkspaceDeps } from "../workspace.js";

/** The queue of one branch. */
export interface BranchQueue {
  org_id: string;
  project_id: string;
  branch: string;
}

/** Lets any process of the home continue a branch's queue. */
export async function sendAdvance(
  { jobs }: Pick<WorkspaceDeps, "jobs">,
  { org_id, project_id, branch }: BranchQueue,
): Promise<void> {
  await jobs.send("advance-merge-queue", { org_id, project_id, branch });
}
