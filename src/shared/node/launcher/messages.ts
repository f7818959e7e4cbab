/** A command as the process that starts it gets it; `kill` ends one. */
export type LaunchRequest =
  | {
      type: "start";
      id: number;
      file: string;
      args: readonly string[];
      cwd: string;
      env: Readonly<Record<string, string>>;
      /** 0 for none. */
      timeoutMs: number;
      maxOutputBytes: number;
      /** Characters of the end of standard error that are kept. */
      keptStderr: number;
      umask: number;
      background: boolean;
    }
  | { type: "kill"; id: number }
  /** Kills this process when the server ends; `release` forgets it. */
  | { type: "guard"; pid: number }
  | { type: "release"; pid: number };

/** A part of the standard output is the content of its message. */
export type LaunchAnswer =
  | { type: "started"; id: number; pid: number }
  | { type: "output"; id: number }
  | ({ type: "end"; id: number } & LaunchResult);

/** How a command ended. */
export interface LaunchResult {
  /** Null if a signal ended it, or it was not started. */
  exitCode: number | null;
  signal: string | null;
  /** The end of standard error. */
  stderr: string;
  /** Why it was killed or could not be started; `not_found`: as `stderr` says. */
  failure: "timeout" | "output_too_large" | "aborted" | "not_found" | null;
}
