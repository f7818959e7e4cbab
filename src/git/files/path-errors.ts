/** Errors about paths of a folder that cannot be saved. */

/** Maximum size of a file in bytes. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;

/**
 * Maximum number of path components, including the file name. A walk holds up to four descriptors
 * per folder on the way, of a process limit of some thousands. Real repositories stay below 50.
 */
export const MAX_PATH_DEPTH = 128;

/**
 * Maximum bytes of a path. Linux accepts 4 096 bytes per call (PATH_MAX); 1 KiB is reserved for the
 * location of the folder.
 */
export const MAX_PATH_BYTES = 3072;

/** A problem with one path of a folder; nothing was saved and the index is unchanged. */
export abstract class PathError extends Error {
  /** Display text. */
  readonly path: string;

  constructor(message: string, path: string) {
    super(`${message}: ${JSON.stringify(path)}`);
    this.path = path;
  }
}

/** A subfolder is a git repository of its own. */
export class NestedRepositoryError extends PathError {
  override readonly name = "NestedRepositoryError";

  constructor(path: string) {
    super("the folder contains another git repository", path);
  }
}

/** A file is larger than the limit; `size` is in bytes. */
export class FileTooLargeError extends PathError {
  override readonly name = "FileTooLargeError";
  readonly size: number;

  constructor(path: string, size: number) {
    super(`a file of ${size} bytes is too large`, path);
    this.size = size;
  }
}

/** A folder contains more new files or bytes than a commit may; `path` is the first one beyond. */
export class FolderTooLargeError extends PathError {
  override readonly name = "FolderTooLargeError";

  constructor(path: string) {
    super("the folder contains too much to save at once", path);
  }
}

/** A path has too many components or bytes to be read, checked out or merged at a bounded cost. */
export class PathTooLongError extends PathError {
  override readonly name = "PathTooLongError";

  constructor(path: string) {
    super("the path is too deep or too long", path);
  }
}

/**
 * Checks a path (latin1 bytes) against MAX_PATH_DEPTH and MAX_PATH_BYTES.
 * @throws PathTooLongError
 */
export function assertPathBounds(path: string): void {
  let depth = 1;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) depth += 1;
  if (depth <= MAX_PATH_DEPTH && path.length <= MAX_PATH_BYTES) return;
  throw new PathTooLongError(Buffer.from(path, "latin1").toString("utf8"));
}

/** Maximum bytes of a `.gitignore` or `.gitattributes`: git keeps their lines in memory. */
export const MAX_DOT_GIT_BYTES = 1024 * 1024;

/**
 * A `.gitignore` or `.gitattributes` is not a regular file, or is larger than MAX_DOT_GIT_BYTES.
 */
export class DotGitFileError extends PathError {
  override readonly name = "DotGitFileError";

  constructor(path: string) {
    super("git must not read this file", path);
  }
}

/** git rejects this name because some system could take it for `.git`. */
export class UnsafePathError extends PathError {
  override readonly name = "UnsafePathError";

  constructor(path: string) {
    super("git does not allow a file with this name", path);
  }
}
