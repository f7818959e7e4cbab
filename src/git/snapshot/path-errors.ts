/** Files of a folder that cannot be saved. */

/** Bytes of a file that are accepted at most. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;

/**
 * Names in a path at most, the file's own included. A walk holds up to four descriptors for each folder on
 * its way, of which a process has thousands at best. Repositories of people stay below 50.
 */
export const MAX_PATH_DEPTH = 128;

/**
 * Bytes of a path at most. Linux takes 4 096 bytes in one call (PATH_MAX), of which 1 KiB is left to the
 * place where a folder lies.
 */
export const MAX_PATH_BYTES = 3072;

/** A problem with one path of a folder; nothing was saved and the index is as before. */
export abstract class PathError extends Error {
  /** The path, for people. */
  readonly path: string;

  constructor(message: string, path: string) {
    super(`${message}: ${JSON.stringify(path)}`);
    this.path = path;
  }
}

/** A folder below is a git repository of its own. */
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

/** A folder holds more new files or bytes than a commit may; `path` is the first that is too much. */
export class FolderTooLargeError extends PathError {
  override readonly name = "FolderTooLargeError";

  constructor(path: string) {
    super("the folder holds too much to be saved at once", path);
  }
}

/** A path has too many folders or bytes to be read, checked out or merged at a bounded cost. */
export class PathTooLongError extends PathError {
  override readonly name = "PathTooLongError";

  constructor(path: string) {
    super("the path is too deep or too long", path);
  }
}

/**
 * Checks a path of bytes in latin1 against MAX_PATH_DEPTH and MAX_PATH_BYTES.
 * @throws PathTooLongError
 */
export function assertPathBounds(path: string): void {
  let depth = 1;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) depth += 1;
  if (depth <= MAX_PATH_DEPTH && path.length <= MAX_PATH_BYTES) return;
  throw new PathTooLongError(Buffer.from(path, "latin1").toString("utf8"));
}

/** Bytes of a `.gitignore` or `.gitattributes` at most: git holds their lines in memory. */
export const MAX_DOT_GIT_BYTES = 1024 * 1024;

/** A `.gitignore` or `.gitattributes` is no regular file, or larger than MAX_DOT_GIT_BYTES. */
export class DotGitFileError extends PathError {
  override readonly name = "DotGitFileError";

  constructor(path: string) {
    super("git must not read this file", path);
  }
}

/** git refuses this name because it could stand for `.git` somewhere. */
export class UnsafePathError extends PathError {
  override readonly name = "UnsafePathError";

  constructor(path: string) {
    super("git does not allow a file of this name", path);
  }
}
