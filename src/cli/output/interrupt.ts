/** Ctrl+C ends a command, but not the work on the server: a command says what continues, and how to stop it. */
import { exitCodes } from "./failures.js";

let continuing: string | null = null;

/** Sets the text for Ctrl+C; null for a command whose end ends all. */
export function whenInterrupted(text: string | null): void {
  continuing = text;
}

/** Ends the command with the exit code of an interruption. */
export function interrupted(): never {
  if (continuing !== null) process.stderr.write(`\n${continuing}\n`);
  process.exit(exitCodes.interrupted);
}
