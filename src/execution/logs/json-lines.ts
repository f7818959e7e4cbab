/** Separates lines of JSON from the other output of a program. */

/** A whole line of JSON, without its line break, or other output as it arrived. */
export type OutputPiece = { line: string } | { text: string };

export interface JsonLines {
  /** Adds output. Returns it in pieces, except the beginning of a line that may be JSON. */
  add(text: string): OutputPiece[];
  /** Returns the rest. */
  end(): OutputPiece[];
}

/** Maximum length of a line that is held until it is whole, in UTF-16 code units. Longer ones are other output. */
export const MAX_JSON_LINE = 256 * 1024;

export function createJsonLines(): JsonLines {
  /** The beginning of a line that may be JSON. It is joined once: a program may write single bytes. */
  let held = "";
  /** Whether the output so far ended within another line. */
  let isWithin = false;
  const release = (text: string): OutputPiece[] => {
    held = "";
    isWithin = true;
    return [{ text }];
  };
  return {
    add: (text) => {
      if (held !== "" && !text.includes("\n")) {
        held += text;
        return held.length > MAX_JSON_LINE ? release(held) : [];
      }
      const lines = (held + text).split("\n");
      held = "";
      const rest = lines.pop() as string;
      const pieces: OutputPiece[] = [];
      let other = "";
      for (const line of lines) {
        if (!isWithin && isJson(line)) {
          if (other !== "") pieces.push({ text: other });
          other = "";
          pieces.push({ line });
        } else {
          other += `${line}\n`;
        }
        isWithin = false;
      }
      if (!isWithin && rest.startsWith("{") && rest.length <= MAX_JSON_LINE) {
        held = rest;
      } else if (rest !== "") {
        other += rest;
        isWithin = true;
      }
      if (other !== "") pieces.push({ text: other });
      return pieces;
    },
    end: () => {
      const rest = held;
      held = "";
      return rest === "" ? [] : isJson(rest) ? [{ line: rest }] : [{ text: rest }];
    },
  };
}

function isJson(line: string): boolean {
  return line.length <= MAX_JSON_LINE && line.startsWith("{") && line.trimEnd().endsWith("}");
}
