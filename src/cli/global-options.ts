/** Options of every command, given before its name: `omoi --org acme agent list`. */

const withValue = new Set(["--org", "--context", "-o", "--output"]);
const flags = new Set(["--json", "-q", "--quiet"]);

/** Whether an argument is one of these options; `--org=acme` is one without a further argument. */
const isGlobal = (arg: string): boolean =>
  flags.has(arg) || withValue.has(arg.replace(/=.*/s, "")) || /^-o\w/.test(arg);

/**
 * Moves such options behind the words of the command, whose parser knows them.
 * @param groups the commands that have commands of their own
 */
export function moveGlobals(args: readonly string[], groups: ReadonlySet<string>): string[] {
  const words: string[] = [];
  const globals: string[] = [];
  let at = 0;
  for (let length = 1; at < args.length && words.length < length; at += 1) {
    const arg = args[at] as string;
    if (!arg.startsWith("-")) {
      words.push(arg);
      if (words.length === 1 && groups.has(arg)) length = 2;
    } else if (isGlobal(arg)) {
      globals.push(arg);
      if (withValue.has(arg)) globals.push(...args.slice(at + 1, (at += 1) + 1));
    } else break;
  }
  return [...words, ...globals, ...args.slice(at)];
}
