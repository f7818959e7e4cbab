import type { Duplex, Readable } from "node:stream";

/** Network protocols that a call may allow; none is allowed without being named. */
export type Protocol = "https" | "file" | "ssh";

/** How one git process is run. All paths are absolute. */
export interface GitOptions {
  /** The bare repository (`GIT_DIR`). */
  gitDir?: string;
  /** The folder of files (`GIT_WORK_TREE`). */
  workTree?: string;
  /** The index (`GIT_INDEX_FILE`); keep it outside the folder. */
  indexFile?: string;
  /** Where the process starts; `/` by default, so that nothing is discovered around it. */
  cwd?: string;
  /** Standard input; without it git reads an empty one. git is killed where a stream of it fails. */
  input?: string | Uint8Array | Readable;
  /** Extra variables, of a short allow-list only; another name throws a TypeError. */
  env?: Readonly<Record<string, string>>;
  /** Extra settings, stronger than the fixed ones; they stay out of the argument list. */
  config?: readonly (readonly [key: string, value: string])[];
  /** A config file that this git and those it starts read as the user's; none by default. */
  globalConfig?: string;
  /** Protocols that this call may speak; none by default. */
  protocols?: readonly Protocol[];
  /** Milliseconds until the process group is killed; 60 000 by default, 0 for never. */
  timeoutMs?: number;
  /** False for the commands that know no literal paths, which a path may then not begin as (`:`). */
  literalPaths?: false;
  /** Bytes of standard output that are accepted; 64 MiB by default. `spawnGit` has no limit. */
  maxOutputBytes?: number;
  /**
   * Uses two further descriptors, 3 and 4, that git and all it starts inherit: for what belongs in no
   * argument, environment or file. Closed when git ends.
   */
  descriptors?: (third: Duplex, fourth: Duplex) => void;
  /** The largest file that git may write, in bytes (64 GiB by default); the system ends it above that. */
  maxFileBytes?: number;
  /** Whether it gives way to the server's other work: for what a client or an upstream can make long. */
  background?: boolean;
  /** Aborting kills the process group. */
  signal?: AbortSignal;
  /** A process that waits for questions: its lifetime is not measured as the duration of a command. */
  persistent?: true;
  /** Exit codes that are no error; `[0]` by default. */
  okExitCodes?: readonly number[];
  /** Receives standard error as it comes, in pieces of any size. */
  onStderr?: (text: string) => void;
}
