import { createTwoFilesPatch } from "diff";

/** Comparing very different texts line by line may take forever: by then all of both is shown. */
const longestMs = 500;
const context = 6;

/**
 * What differs between two texts, as a unified patch; "" where no line does. Lines that only end
 * differently (CRLF) are the same here.
 */
export function patchOf(before: string, after: string): string {
  const [old, fresh] = [before, after].map((text) => text.replaceAll("\r\n", "\n"));
  if (old === undefined || fresh === undefined || old === fresh) return "";
  const patch = createTwoFilesPatch("a", "b", old, fresh, "", "", { context, timeout: longestMs });
  // It begins with a line of its own, which git's patches do not have.
  return patch === undefined ? replaced(old, fresh) : patch.slice(patch.indexOf("--- a"));
}

/** A patch that takes all of one text away and puts all of the other in. */
export function replaced(before: string, after: string): string {
  const lines = (text: string, sign: string): string[] => {
    if (text === "") return [];
    const ends = text.endsWith("\n");
    const body = (ends ? text.slice(0, -1) : text).split("\n").map((line) => sign + line);
    return ends ? body : [...body, "\\ No newline at end of file"];
  };
  const [old, fresh] = [lines(before, "-"), lines(after, "+")];
  const count = (all: string[]): number => all.filter((line) => !line.startsWith("\\")).length;
  const start = (all: string[]): number => (all.length === 0 ? 0 : 1);
  const head = `@@ -${start(old)},${count(old)} +${start(fresh)},${count(fresh)} @@`;
  return `${["--- a", "+++ b", head, ...old, ...fresh].join("\n")}\n`;
}
