/** Strategies for resolving merge conflicts. */
export const mergeStrategies = [
  "newest_file_wins",
  "source_wins",
  "target_wins",
  "manual",
] as const;

/** Types of commits on request. */
export const commitTypes = ["checkpoint", "validation", "manual", "final"] as const;

/** All types of commits: on request, and by a sync. */
export const recordedCommitTypes = [...commitTypes, "merge"] as const;

/**
 * The places where the commands of a workspace run: on the server, in a container there, on a runner or on the user's machine,
 * or in Jobs of a Kubernetes cluster. The last two have no folder on the server.
 */
export const workspaceTypes = ["local", "docker", "remote", "kubernetes"] as const;
export type WorkspaceType = (typeof workspaceTypes)[number];

/** Whether a workspace of the type has a folder on the server; the others have only a branch. */
export const hasServerFolder = (type: WorkspaceType): boolean =>
  type === "local" || type === "docker";
