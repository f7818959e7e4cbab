/** Input and result of a snapshot. */
import type { DiffStats } from "../diff/diff.js";
import type { Layers } from "../worktree/worktree-driver.js";
import type { FoundToken, TokenScan } from "../objects/token-scan.js";

/** A path that was left out of the tree, and why. */
export interface SkippedPath {
  path: string;
  reason: "fifo" | "socket" | "device" | "unreadable";
}

/** The tree of a folder, and whether it differs from the parent's. */
export interface Snapshot {
  tree: string;
  changed: boolean;
  /** The size of the difference to the parent's tree, if known. */
  stats?: DiffStats;
  /**
   * Tracked files that became special files count as deleted; unreadable ones keep their previous
   * content.
   */
  skipped: SkippedPath[];
  /** Texts in the form of an API key in all content that differs from the parent's tree. */
  tokens: FoundToken[];
}

/** Options of a snapshot. All paths are absolute. */
export interface SnapshotInput {
  /** The organization, for a fair order; by default, the repository takes its own turns. */
  owner?: string;
  repoPath: string;
  folder: string;
  indexFile: string;
  /** The driver's `open`; not needed for a checkout. */
  open?: () => Promise<Layers | null>;
  /** The tree to compare with; defaults to the index's. */
  parentTree?: string;
  /** Maximum size of a file in bytes; 100 MiB by default. */
  maxFileBytes?: number;
  signal?: AbortSignal;
  /** Called, possibly more than once, as soon as changes are found. */
  onChanges?: () => void;
  /**
   * Called, possibly more than once, when the result is known and its objects are still being written.
   * The snapshot may yet fail, or have another result after a retry. Not called for a checkout.
   */
  onTree?: (found: Snapshot) => void;
  /** The prefix of API keys; without it, no scan. */
  keyPrefix?: string;
}

/** The input of the snapshot process; the folder is already mounted. */
export interface SnapshotOrder extends Omit<SnapshotInput, "open" | "owner"> {
  layers: Layers | null;
}

/** One attempt of a snapshot. */
export interface SnapshotAttempt extends SnapshotOrder {
  parentTree: string;
  scan: TokenScan | null;
}
