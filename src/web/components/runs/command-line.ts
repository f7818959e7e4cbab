import { visible } from "../../ui/plain-text.js";

/** The words of a command line, or what keeps it from being one. */
export type CommandWords = { words: string[] } | { error: string };

/**
 * Takes a line apart as a POSIX shell does (2.2, Quoting), and does nothing else a shell would do: what
 * needs one is refused, so that nobody believes that it happens.
 */
export function wordsOf(line: string): CommandWords {
  const words: string[] = [];
  let word: string | null = null;
  let quote: "'" | '"' | null = null;
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at] as string;
    if (quote === "'") {
      if (character === "'") quote = null;
      else word += character;
    } else if (character === "\\" && (quote === null || /["\\$`]/.test(line[at + 1] ?? ""))) {
      at += 1;
      if (at >= line.length) return { error: "ends with a backslash that nothing follows" };
      word = (word ?? "") + line[at];
    } else if (quote === '"' ? /[$`]/.test(character) : /[|&;<>()$`*?\n]/.test(character)) {
      return {
        error: `${JSON.stringify(character)} needs a shell: choose Shell script, or quote it`,
      };
    } else if (quote === '"') {
      if (character === '"') quote = null;
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== null) return { error: `a quote (${quote}) is not closed` };
  if (word !== null) words.push(word);
  return { words };
}

/** The words as a line that a shell takes apart into the same ones. */
export function lineOf(words: readonly string[]): string {
  return words
    .map((word) =>
      /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`,
    )
    .join(" ");
}

/** The command for a place of one line: line breaks are shown as a return sign, tabs as spaces. */
export function shownInLine(words: readonly string[]): string {
  return visible(lineOf(words).replaceAll(/\r?\n/g, " ⏎ ").replaceAll("\t", " "));
}
