const MAX_LENGTH = 300;

/** Returns a message of the cluster on one line, of limited length and without its final period. */
export function shortened(message: string): string {
  const line = message
    .slice(0, 4 * MAX_LENGTH)
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u0020\u007f-\u009f]+/g, " ")
    .trim()
    .replace(/\.+$/, "");
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH - 1).trimEnd()}…`;
}
