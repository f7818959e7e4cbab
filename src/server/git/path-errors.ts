/** Files of a folder that cannot be saved. */

/** Bytes of a file that are accepted at most. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;

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

/** git refuses this name because it could stand for `.git` somewhere. */
export class UnsafePathError extends PathError {
  override readonly name = "UnsafePathError";

  constructor(path: string) {
    super("git does not allow a file of this name", path);
  }
}
