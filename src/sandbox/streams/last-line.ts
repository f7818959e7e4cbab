/** Returns the last line of a program's output. */
export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.slice(0, 500) || "it ended without a message";
}
