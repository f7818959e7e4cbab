/** Whitespace and comments of YAML and TOML. */
import { DataError } from "./tree.js";

/** Reads a text from the start; every read fails unless the expected text follows. */
export class Cursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** Reads empty lines, lines of comments, and the indentation after them. */
  trivia(): string {
    return this.take(/(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*/y);
  }

  /** Reads the comment at the top of a file, with the empty lines after it. */
  fileHead(): string {
    return this.take(/(?:[ \t]*#[^\n]*\r?\n)*(?:[ \t]*\r?\n)*/y);
  }

  /** Reads the rest of a line after a value: whitespace and a comment. */
  endOfLine(): string {
    return this.take(/[ \t]*(?:#[^\n]*)?\r?\n/y);
  }

  /** @throws DataError if the text does not follow */
  take(pattern: RegExp): string {
    const found = this.match(pattern);
    if (found === null) throw unusual();
    return found;
  }

  /** Returns null if the text does not follow. */
  match(pattern: RegExp): string | null {
    return this.peeks(pattern) ? this.upTo(pattern.lastIndex) : null;
  }

  /** Whether the text follows. `test` makes no array of what it found. */
  peeks(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    return pattern.test(this.text);
  }

  /** Reads up to a position. */
  upTo(end: number): string {
    if (end < this.at) throw unusual();
    const from = this.at;
    this.at = end;
    return this.text.slice(from, end);
  }

  /** Reads trivia up to the item at a position. */
  leadOf(start: number): string {
    const lead = this.trivia();
    if (this.at !== start) throw unusual();
    return lead;
  }
}

/** The form of the text is valid, but not one whose parts can be moved. */
export function unusual(): DataError {
  return new DataError("Its form is too unusual to be merged as data.");
}
