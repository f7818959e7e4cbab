/* Error codes that several calls of workspaces share. */

/** The agent has no workspace, or only one whose retention has ended. */
export const workspaceErrors = ["workspace_missing", "workspace_expired"] as const;

/** The workspace cannot be used: it has no folder, or its branch differs from the database. */
export const activeErrors = [
  ...workspaceErrors,
  "workspace_not_active",
  "repository_mismatch",
] as const;

/** The folder cannot be read, or its content cannot be committed. */
export const folderErrors = [
  "folder_unavailable",
  "nested_repository",
  "file_too_large",
  "unsafe_path",
  "tree_too_large",
] as const;

/** Uncommitted changes cannot be committed. */
export const commitErrors = [...folderErrors, "leaked_key"] as const;
