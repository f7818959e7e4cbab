import type { ManagedRun } from "../managed-runs.queries.js";
import { definitionOf, definitions } from "../presets/presets.js";

/** Exit codes of a shell and of env(1). */
export const CANNOT_EXECUTE = 126;
export const NOT_FOUND = 127;

/**
 * Explains the exit codes of a program that is missing or cannot be executed.
 * @param isOwn whether the command's own program did not start, rather than one that it started
 */
export function explainExitCode(
  { command, preset }: Pick<ManagedRun, "command" | "preset">,
  exitCode: typeof CANNOT_EXECUTE | typeof NOT_FOUND,
  isOwn: boolean,
): string {
  const definition = definitionOf(preset);
  const program = definition?.program ?? (isOwn ? command[0] : undefined);
  const code = `(exit code ${exitCode})`;
  if (exitCode === CANNOT_EXECUTE) {
    return program === undefined
      ? `A program that it started cannot be executed ${code}; the end of the log names it.`
      : `The program ${program} cannot be executed ${code}; make it executable, or start it by its interpreter, such as sh.`;
  }
  const known = definition ?? definitions.find((one) => namesProgram(command, one.program, isOwn));
  const missing =
    program === undefined
      ? `A program that it started was not found ${code}; the end of the log names it.`
      : `The program ${program} was not found ${code}.`;
  if (known === undefined) return missing;
  const which = program === undefined ? ` If it is ${known.program}, install it` : " Install it";
  return `${missing}${which} on the server's machine: ${known.install}`;
}

/** Whether a command starts the program, by its first word or by a word of a script. */
function namesProgram(command: readonly string[], program: string, isOwn: boolean): boolean {
  if (isOwn) return command[0]?.split("/").at(-1) === program;
  return command.some((text) => text.split(/[^\w.-]+/).includes(program));
}
