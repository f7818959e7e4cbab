import { createTwoFilesPatch } from "diff";

/** Time limit of a line diff, in milliseconds; after that, both texts are shown in full. */
const diffTimeoutMs = 500;
const context = 6;

/**
 * Returns the difference of two texts as a unified patch; "" if no line differs. Line endings (CRLF)
 * are ignored.
 */
export function patchOf(before: string, after: string): string {
  const [old, fresh] = [before, after].map((text) => text.replaceAll("\r\n", "\n"));
  if (old === undefined || fresh === undefined || old === fresh) return "";
  const patch = createTwoFilesPatch("a", "b", old, fresh, "", "", {
    context,
    timeout: diffTimeoutMs,
  });
  // The library's first line is not part of git's format.
  return patch === undefined ? replacementPatch(old, fresh) : patch.slice(patch.indexOf("--- a"));
}

/** Returns a patch that replaces one text by the other. */
export function replacementPatch(before: string, after: string): string {
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
