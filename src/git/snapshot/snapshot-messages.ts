/** Messages between the server and its snapshot process. */
import type { GitCommand } from "#shared/node/measurements.js";
import { FolderMissingError } from "../worktree/worktree-driver.js";
import {
  DotGitFileError,
  FileTooLargeError,
  FolderTooLargeError,
  NestedRepositoryError,
  PathTooLongError,
  UnsafePathError,
} from "../files/path-errors.js";
import { GitError } from "../process/run.js";
import type { Snapshot, SnapshotOrder } from "./snapshot.js";
import { TreeLimitError } from "../objects/tree-limits.js";

/** The parts of an order that stay in the server. */
export type Listeners = Pick<SnapshotOrder, "signal" | "onChanges" | "onTree">;

/** From the server. A process with a responsive event loop answers `ping` at once. */
export type ToProcess =
  | { kind: "take"; id: number; order: Omit<SnapshotOrder, keyof Listeners> }
  | { kind: "abort"; id: number }
  | { kind: "ping" };

/** From the process. A result lists the git commands that ran. */
export type FromProcess =
  | { kind: "changes"; id: number }
  | { kind: "tree"; id: number; found: Snapshot }
  | { kind: "taken"; id: number; commands: GitCommand[]; snapshot: Snapshot }
  | { kind: "failed"; id: number; commands: GitCommand[]; error: SentError }
  | { kind: "pong" };

/** A serialized error; messages carry no classes. */
interface SentError {
  name: string;
  message: string;
  fields: Record<string, unknown>;
}

/** The errors that the server distinguishes, by name. */
const classes: Record<string, { prototype: Error }> = {
  DotGitFileError,
  FileTooLargeError,
  FolderMissingError,
  FolderTooLargeError,
  GitError,
  NestedRepositoryError,
  PathTooLongError,
  TreeLimitError,
  UnsafePathError,
};

export function sendError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), fields: {} };
  return {
    name: error.name,
    message: error.message,
    fields: Object.fromEntries(Object.entries(error)),
  };
}

export function receiveError({ name, message, fields }: SentError): Error {
  const prototype = classes[name]?.prototype ?? Error.prototype;
  return Object.assign(Object.create(prototype) as Error, { ...fields, name, message });
}
