/** Questions to the person at the terminal. */
import { createInterface } from "node:readline/promises";
import { text as readAll } from "node:stream/consumers";
import { exitCodes, FailedError, UsageError } from "../output/failures.js";

/** Reads a secret from a pipe, or as a line that is not shown. */
export async function secretFromInput(name: string): Promise<string> {
  if (!process.stdin.isTTY) return (await readAll(process.stdin)).replace(/\r?\n$/, "");
  process.stderr.write(`${name}: `);
  process.stdin.setRawMode(true);
  let text = "";
  try {
    for await (const chunk of process.stdin) {
      for (const character of String(chunk)) {
        if (character === "\r" || character === "\n") return text;
        if (character === "\u0003") process.exit(exitCodes.interrupted);
        text = character === "\u007F" ? text.slice(0, -1) : text + character;
      }
    }
    return text;
  } finally {
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stderr.write("\n");
  }
}

/**
 * Asks a person.
 * @throws UsageError without a terminal, and after a no
 * @throws FailedError after Ctrl+C
 */
export async function confirm(what: string, { yes }: { yes?: boolean }): Promise<void> {
  if (yes === true) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError("Say --yes: it cannot be undone, and there is no terminal to ask at.");
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines
    .question(`${what} Go on? [y/N] `)
    .catch((error: unknown) => {
      if ((error as Error).name !== "AbortError") throw error;
      process.stderr.write("\n");
      throw new FailedError("", exitCodes.interrupted);
    })
    .finally(() => lines.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError("Nothing was done.");
}
