import { visible } from "../../ui/text/plain-text.js";

/** The words of a command line, or a syntax error. */
export type CommandWords = { words: string[] } | { error: string };

/**
 * Splits a line into words by POSIX quoting rules (2.2, Quoting). Other shell syntax is rejected, so
 * that no one expects it to work.
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

/** Quotes words into a line that splits into the same words. */
export function lineOf(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

/** Uses the quotes that need fewer escapes. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  const single = `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const double = `"${word.replaceAll(/["\\$`]/g, String.raw`\$&`)}"`;
  return double.length < single.length ? double : single;
}

/** Formats a command in one line: line breaks are shown as return signs, tabs as spaces. */
export function shownInLine(words: readonly string[]): string {
  return visible(lineOf(words).replaceAll(/\r?\n/g, " ⏎ ").replaceAll("\t", " "));
}
