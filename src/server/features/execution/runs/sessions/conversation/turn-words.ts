/** The last words of a turn: what the agent says after its last tool call. */

/** Maximum length of the words that are kept, in UTF-16 code units. */
const MAX_WORDS = 4000;
/** Tool calls of a turn that are remembered. */
const MAX_TOOLS = 10_000;
/** Maximum length of the line that is shown. */
const MAX_LINE = 300;

export interface TurnEnd {
  /** The line of the question, or else the first line; null for a silent turn. */
  message: string | null;
  /** Whether the last sentence is a question. */
  asks: boolean;
}

/** Collects the words of a turn, of which the last ones matter. */
export function createTurnWords() {
  let words = "";
  let tools = new Set<string>();
  return {
    add: (text: string): void => {
      // Twice as many, so that a secret is masked before it is cut.
      words = (words + text).slice(-2 * MAX_WORDS);
    },
    /** A tool call follows the words, unless it is a later change of one. */
    addTool: (id: string): void => {
      if (tools.has(id)) return;
      if (tools.size < MAX_TOOLS) tools.add(id);
      words = "";
    },
    /** A turn begins. */
    clear: (): void => {
      words = "";
      tools = new Set();
    },
    /** @param mask hides secrets in a text */
    end: (mask: (text: string, length: number) => string): TurnEnd =>
      readTurnEnd(mask(words, 2 * MAX_WORDS).slice(-MAX_WORDS)),
  };
}

/** Marks of a question in many scripts, with what may follow them: quotes, brackets and Markdown. */
const question =
  /[?\uff1f\u061f\u037e\u055e\u1367\u2e2e\ufe56]["'\u201d\u2019\u00bb)\]*_`~\u300d\u300f\u3002\s]*$/u;
/** Tells what the last words of a turn say. */
export function readTurnEnd(words: string): TurnEnd {
  const text = words.trim();
  if (text === "") return { message: null, asks: false };
  const asks = question.test(text);
  const lines = text
    .split("\n")
    .map((line) => line.replace(/^[\s#>*_-]+/u, "").trim())
    .filter((line) => line !== "");
  const shown = (asks ? lines.at(-1) : lines[0]) ?? text;
  const plain = shown.replaceAll(/\s+/gu, " ");
  return { message: asks ? plain.slice(-MAX_LINE) : plain.slice(0, MAX_LINE), asks };
}
