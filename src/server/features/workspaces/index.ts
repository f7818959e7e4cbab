export { archiveTerminated, saveWorkspace } from "./archives/archive-workspace.js";
export { yieldToForeground } from "./foreground.js";
export { hasHome, removeHome } from "./homes.js";
export { isMerging } from "./merges/merge-lease.js";
export { startCheckpoints, type TakeRunCommits } from "./commits/auto-checkpoint.js";
export {
  checkpointAfterRun,
  takeDuringRun,
  withWorkspaceToRun,
  type RunCommits,
  type RunPlace,
} from "./run-in-workspace.js";
export { requireRemote, withRemoteWorkspace, type RemotePlace } from "./run-on-runner.js";
export { withReceivedWork } from "./run-repository/receive-work.js";
export { takeWork, type WorkSource } from "./run-repository/take-work.js";
export { removeWorkspacesOf } from "./remove-workspaces.js";
export { predictConflicts } from "./merges/planning/plan-merge.js";
export { applyPush, type PushedRef } from "./pushes/apply-push.js";
export { agentsOfBranches } from "./workspaces.queries.js";
export {
  receiveCommits,
  receivedTimes,
  receiveTimeOf,
} from "./commits/received-commits.queries.js";
export { visibleBranches } from "./visible-branches.js";
export { openDriver, recreateFolders, restoreFolders } from "./open-driver.js";
export {
  branchLock,
  branchRef,
  workspaceLock,
  type ActiveWorkspace,
  type WorkspaceDeps,
} from "./workspace.js";
export {
  agentOfBranch,
  measureFolder,
  projectOfWorkspace,
  recoverWorkspaces,
} from "./workspaces.js";
export {
  deleteOldChecks,
  endCheck,
  explainWait,
  findChecks,
  listEndedChecks,
  requeueCheck,
  takeCheck,
  type EndedCheck,
  type TakenCheck,
} from "./queue/checks.queries.js";
export { findRegenerationOf, storeOutputs } from "./queue/regenerations.queries.js";
export { listAwaitingApproval } from "./queue/approvals.queries.js";
export { advanceQueuesOf } from "./queue/check-definitions.js";
export { endQueuesOf, listOpenQueues } from "./queue/merge-requests.queries.js";
export { sendAdvance, type BranchQueue } from "./queue/queue-deps.js";
