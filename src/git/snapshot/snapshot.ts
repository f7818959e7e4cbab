/** What a snapshot of a folder takes and gives. */
import type { DiffStats } from "../diff/diff.js";
import type { Layers } from "../worktree/folder-driver.js";
import type { FoundToken, TokenScan } from "../smart-http/token-scan.js";

/** A path of the folder that is not part of the tree, and why. */
export interface SkippedPath {
  path: string;
  reason: "fifo" | "socket" | "device" | "unreadable";
}

/** The state of a folder: its tree, and whether that differs from the parent's. */
export interface Snapshot {
  tree: string;
  changed: boolean;
  /** How much differs from the parent's tree, where that came to light on the way. */
  stats?: DiffStats;
  /** Tracked files that became special files count as deleted; unreadable ones stay as they were. */
  skipped: SkippedPath[];
  /** The texts with the form of an API key in all content that differs from the parent's. */
  tokens: FoundToken[];
}

/** What is snapshot, and how. All paths are absolute. */
export interface SnapshotInput {
  repoPath: string;
  folder: string;
  indexFile: string;
  /** As the driver's `open`; not needed for a checkout. */
  open?: () => Promise<Layers | null>;
  /** The tree to compare with; without it, what the index held before. */
  parentTree?: string;
  /** Bytes of a file that are accepted at most; 100 MiB by default. */
  maxFileBytes?: number;
  signal?: AbortSignal;
  /** Called, perhaps more than once, when there is something to take and git is at work on it. */
  onChanges?: () => void;
  /** What each API key begins with; without it no keys are looked for. */
  keyPrefix?: string;
}

/** What the process that takes a snapshot is told: the folder is mounted already. */
export interface SnapshotOrder extends Omit<SnapshotInput, "open"> {
  layers: Layers | null;
}

/** One attempt at a snapshot. */
export interface Attempt extends SnapshotOrder {
  parentTree: string;
  scan: TokenScan | null;
}
