import type { Preset } from "#shared/api/execution/presets.js";
import type { Told } from "../logs/teller.js";

/** The task of a run of a preset. */
export interface Assignment {
  prompt: string;
  /** Null: the program's default. */
  model: string | null;
}

/** A program that runs with a prompt, without a terminal and without questions. */
export interface PresetDefinition extends Omit<
  Preset,
  "title" | "available" | "reason" | "version" | "secret" | "session"
> {
  program: string;
  install: string;
  /** The program of its sessions, if it is another one. */
  session?: { program: string; install: string };
  /** The sources of the key of its models. The program fails without any of them. */
  key: {
    /** The variable that people are asked for. */
    secret: string;
    /** The names of variables that give it access, or the place of a file that does. */
    variables: RegExp;
    /** Files below its home or its workspace that may do so, or absolute ones. */
    files: readonly string[];
    /** Whether it needs one for other hosts than its own, too. */
    isForAnyHost: boolean;
  };
  /** Variables of its runs; those of secrets and of the run win. */
  environment: Readonly<Record<string, string>>;
  /**
   * Returns the command. The prompt must not be read as an option, whatever it begins with. The sandbox is
   * the only boundary: the program's own permission prompts and sandbox are off.
   */
  commandOf(assignment: Assignment): string[];
  /** The mode of new sessions, if it is another one than the program's default. */
  sessionMode?: string;
  /**
   * Returns the command that speaks the Agent Client Protocol on its standard streams. Its requests for
   * permissions are shown to people.
   * @param model null: the program's default
   */
  sessionCommandOf(model: string | null): string[];
  /** Tells a line of the standard output, parsed; null for one that the program does not document. It is untrusted. */
  tell(entry: unknown): readonly Told[] | null;
  /** Returns the final message at the end of the standard output, or null. The output is untrusted. */
  readResult(output: string): string | null;
}
