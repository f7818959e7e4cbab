/** Turns the lines of JSON that a preset's program prints into text. The program and its output are untrusted. */
import { stripVTControlCharacters } from "node:util";
import { parse } from "./json-output.js";

/** A part of a program's work. */
export interface Told {
  /**
   * `message`: a whole message; `part`: the next piece of one; `result`: the final message, which may repeat the last
   * one; `action`: a call of a tool; `problem`: an error.
   */
  kind: "message" | "part" | "result" | "action" | "problem";
  text: string;
}

export interface Teller {
  /** Returns a line of JSON as text, which may be empty; null for a line that it does not know. */
  tell(line: string): string | null;
  /** Returns the end of an unfinished message. */
  end(): string;
}

/** Maximum length of a message in UTF-16 code units, like that of a run's result. */
const MAX_MESSAGE = 16 * 1024;
/** Maximum length of an action in UTF-16 code units: a line or two on a screen. */
const MAX_ACTION = 300;

/** @param tellEntry returns the parts of a parsed line; null for a line that it does not know */
export function createTeller(tellEntry: (entry: unknown) => readonly Told[] | null): Teller {
  /** The unfinished last line of a message in pieces. */
  let unfinished = "";
  let last = "";
  const end = (): string => {
    const rest = unfinished === "" ? "" : `${unfinished}\n`;
    unfinished = "";
    return rest;
  };
  const show = ({ kind, text }: Told): string => {
    if (kind === "part") {
      const whole = unfinished + printable(text);
      const done = whole.length > MAX_MESSAGE ? whole.length : whole.lastIndexOf("\n") + 1;
      unfinished = whole.slice(done);
      return whole.slice(0, done);
    }
    if (kind === "action" || kind === "problem") {
      const line = printable(text.slice(0, 2 * MAX_ACTION))
        .trim()
        .replaceAll(/\s*\n\s*/g, " ↵ ");
      return `${end()}${kind === "action" ? ">" : "!"} ${cut(line, MAX_ACTION)}\n`;
    }
    const message = cut(printable(text.slice(0, 2 * MAX_MESSAGE)).trim(), MAX_MESSAGE);
    const isRepeated = kind === "result" && message === last;
    last = message;
    return end() + (isRepeated || message === "" ? "" : `${message}\n`);
  };
  return {
    tell: (line) => {
      const told = tellEntry(parse(line));
      return told && told.map(show).join("");
    },
    end,
  };
}

/** Removes escape sequences and control characters except line breaks and tabs. */
function printable(text: string): string {
  return stripVTControlCharacters(text.replaceAll(/\r\n?/g, "\n")).replaceAll(
    /[^\P{Cc}\n\t]/gu,
    "",
  );
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
