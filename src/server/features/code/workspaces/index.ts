export { finishWorkspace, reserveWorkspace } from "./create-workspace.js";
export { commitEdits, type EditCommit } from "./edits/commit-edits.js";
export { checkpointAtEndOfRun } from "./commits/auto-checkpoint.js";
export { mergeWorkspace } from "./merges/merge-workspace.js";
export { recordForgeMerge } from "./merges/record-forge-merge.js";
export { enqueueMerge } from "./queue/enqueue-merge.js";
export { archiveMerged, archiveTerminated, saveWorkspace } from "./archives/archive-workspace.js";
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
export { removeWorkspacesOf } from "./workspaces.js";
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
  measureBranch,
  measureFolder,
  projectOfWorkspace,
  recoverWorkspaces,
} from "./workspaces.js";
export {
  deleteOldChecks,
  endCheck,
  explainWait,
  findCheck,
  listEndedChecks,
  requeueCheck,
  takeCheck,
  type EndedCheck,
  type TakenCheck,
} from "./queue/checks.queries.js";
export {
  cancelChecksOf,
  commitToCheck,
  queueCheck,
  type CheckSubject,
} from "./queue/automation-checks.js";
export {
  countOpinions,
  endOpinion,
  explainOpinionWait,
  findOpinion,
  hasQueuedOpinions,
  insertOpinion,
  listEndedOpinions,
  listOpinions,
  lockOpinion,
  requeueOpinion,
  setDismissed,
  takeOpinion,
  type EndedOpinion,
  type OpinionRow,
  type ReadOpinion,
  type TakenOpinion,
} from "./opinions/opinions.queries.js";
export { blockOf, isAbout, isOpenOpinion } from "./opinions/opinion-state.js";
export { findRegenerationOf, storeOutputs } from "./merges/planning/regenerations.queries.js";
export { listAwaitingApproval } from "./queue/approvals.queries.js";
export {
  approveByReview,
  findOpenMerge,
  hasPushedToAgent,
  withdrawApproval,
} from "./queue/review-approvals.queries.js";
export { changeProtection } from "./protection/change-protection.js";
export { readProtectedBranches } from "./branch-rules/protection.queries.js";
export { advanceQueuesOf } from "./queue/check-definitions.js";
export { endQueuesOf, listOpenQueues } from "./queue/merge-requests.queries.js";
export { checkInReview } from "./queue/review-checks.js";
export { listChecksOfChange, listOrganizationsInReview } from "./queue/review-checks.queries.js";
export { sendAdvance, type BranchQueue } from "./queue/branch-queue.js";
