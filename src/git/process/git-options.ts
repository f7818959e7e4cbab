import type { Duplex, Readable } from "node:stream";

/** Network protocols that a call may enable; none by default. */
export type Protocol = "https" | "http" | "file" | "ssh";

/** Options of one git process. All paths are absolute. */
export interface GitOptions {
  /** The bare repository (`GIT_DIR`). */
  gitDir?: string;
  /** The working tree (`GIT_WORK_TREE`). */
  workTree?: string;
  /** The index (`GIT_INDEX_FILE`); keep it outside the working tree. */
  indexFile?: string;
  /** The working directory; `/` by default, so that git discovers nothing around it. */
  cwd?: string;
  /** Standard input, empty by default. git is killed if an input stream fails. */
  input?: string | Uint8Array | Readable;
  /** Extra variables from a short allow-list; any other name throws a TypeError. */
  env?: Readonly<Record<string, string>>;
  /** Extra settings, which override the fixed ones; they stay out of the argument list. */
  config?: readonly (readonly [key: string, value: string])[];
  /** A config file that this git and its children read as the user's; none by default. */
  globalConfig?: string;
  /** Protocols allowed for this call; none by default. */
  protocols?: readonly Protocol[];
  /**
   * Timeout in milliseconds, after which the process group is killed; 60 000 by default, 0 for
   * none.
   */
  timeoutMs?: number;
  /** False for commands without support for literal paths; no path may then start with `:`. */
  literalPaths?: false;
  /** Maximum bytes of standard output; 64 MiB by default. `spawnGit` has no limit. */
  maxOutputBytes?: number;
  /**
   * Opens descriptors 3 and 4 for git and its children: a channel for secrets that belong in no
   * argument, environment or file. Closed when git ends.
   */
  descriptors?: (third: Duplex, fourth: Duplex) => void;
  /**
   * Maximum size of a file that git may write, in bytes (64 GiB by default); enforced by the
   * kernel.
   */
  maxFileBytes?: number;
  /** Lowers the process priority, for work that a client or an upstream can prolong. */
  background?: boolean;
  /** Aborting kills the process group. */
  signal?: AbortSignal;
  /** A process that waits for requests: its lifetime is not recorded as a command duration. */
  persistent?: true;
  /** Exit codes that count as success; `[0]` by default. */
  okExitCodes?: readonly number[];
  /** Receives standard error as it arrives, in chunks of any size. */
  onStderr?: (text: string) => void;
}

/** How the processes of one operation run. */
export type ProcessOptions = Pick<GitOptions, "background" | "signal">;
