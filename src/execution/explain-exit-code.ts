import type { ExecutedRun } from "./executed-run.js";
import { definitionOf, definitions } from "./presets/presets.js";

/** Exit codes of a shell and of env(1). */
export const CANNOT_EXECUTE = 126;
export const NOT_FOUND = 127;

/**
 * Explains the exit codes of a program that is missing or cannot be executed.
 * @param isOwn whether the command's own program did not start, rather than one that it started
 */
export function explainExitCode(
  { command, preset }: Pick<ExecutedRun, "command" | "preset">,
  exitCode: typeof CANNOT_EXECUTE | typeof NOT_FOUND,
  isOwn: boolean,
): string {
  const definition = definitionOf(preset);
  const code = `(exit code ${exitCode})`;
  const isMissing = exitCode === NOT_FOUND;
  if (isOwn && !isMissing) {
    return `The program ${command[0]} cannot be executed ${code}; make it executable, or start it by its interpreter, such as sh.`;
  }
  // A program that started may exit with the code of one that it started.
  const started = definition
    ? `The program ${definition.program}, or a program that it started,`
    : "A program that it started";
  const explained = isOwn
    ? `The program ${command[0]} was not found ${code}.`
    : `${started} ${isMissing ? "was not found" : "cannot be executed"} ${code}; the end of the log names it.`;
  const isNamed = (one: (typeof definitions)[number]): boolean =>
    // The prompt of a preset may name others.
    definition && !isOwn ? one === definition : namesProgram(command, one.program, isOwn);
  const known = isMissing ? definitions.find(isNamed) : undefined;
  if (known === undefined) return explained;
  const which = isOwn ? "Install it" : `If it is ${known.program}, install it`;
  return `${explained} ${which} on the server's machine: ${known.install}`;
}

/** Whether a command starts the program, by its first word or by a word of a script. */
function namesProgram(command: readonly string[], program: string, isOwn: boolean): boolean {
  if (isOwn) return command[0]?.split("/").at(-1) === program;
  return command.some((text) => text.split(/[^\w.-]+/).includes(program));
}
