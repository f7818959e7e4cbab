/**
 * Masks secrets in a run's output before it is stored. Values are matched literally; keys of well-known
 * services and of this installation by their shape. This prevents accidents, not exfiltration: a
 * command can always write a secret in another form.
 */
import { matchLiterals, type LiteralMatcher } from "./literal-matcher.js";

/** Stands for a secret. */
export const MASK = "***";
/** Shorter values are common words that would be masked everywhere. */
const shortest = 6;
/** Maximum length of an unfinished token that is held back, in UTF-16 code units. */
const longestToken = 1024;
/**
 * Maximum total length of all forms of all values, in UTF-16 code units; each costs 15 bytes during the
 * run.
 */
const mostUnits = 1024 * 1024;

/** Length of a short text, and of the pieces of a longer one, in UTF-16 code units. */
const SHORT = 256;
const PIECE = 4096;

/** Shapes of keys: a prefix and the pattern that follows. */
const shapes: readonly [prefix: string, rest: string][] = [
  ["oat_", "[A-Za-z0-9_-]{20,}"],
  ["ort_", "[A-Za-z0-9_-]{20,}"],
  ["sk_live_", "[A-Za-z0-9]{16,}"],
  ["sk_test_", "[A-Za-z0-9]{16,}"],
  ["rk_live_", "[A-Za-z0-9]{16,}"],
  ["sk-", "[A-Za-z0-9_-]{20,}"],
  ["ghp_", "[A-Za-z0-9]{30,}"],
  ["gho_", "[A-Za-z0-9]{30,}"],
  ["ghs_", "[A-Za-z0-9]{30,}"],
  ["ghu_", "[A-Za-z0-9]{30,}"],
  ["ghr_", "[A-Za-z0-9]{30,}"],
  ["github_pat_", "[A-Za-z0-9_]{22,}"],
  ["glpat-", "[A-Za-z0-9_-]{20,}"],
  ["npm_", "[A-Za-z0-9]{36}"],
  ["AKIA", "[0-9A-Z]{16}"],
  ["AIza", "[0-9A-Za-z_-]{35}"],
  ["xoxb-", "[A-Za-z0-9-]{10,}"],
  ["xoxp-", "[A-Za-z0-9-]{10,}"],
  ["hf_", "[A-Za-z0-9]{30,}"],
];

export interface Masker {
  /**
   * Masks a complete text.
   * @param most only its beginning is needed, up to this length of the masked text in UTF-16 code units; more may be
   * returned
   */
  mask(text: string, most?: number): string;
  /** Masks a stream of text. */
  open(): MaskedStream;
}

export interface MaskedStream {
  /** Adds a piece. Returns the masked text that later pieces cannot change. */
  write(piece: string): string;
  /** Returns the rest, masked. */
  end(): string;
}

/** The values are too large to be masked; the message names the cure. */
export class UnmaskableError extends Error {
  override readonly name = "UnmaskableError";
}

/**
 * Prepares a masker in time and memory linear in the values.
 * @param keyPrefix prefix of this installation's keys
 * @throws UnmaskableError
 */
export function createMasker(values: readonly string[], keyPrefix: string): Masker {
  const literals = [...new Set(values.flatMap(formsOf))];
  const units = literals.reduce((sum, literal) => sum + literal.length, 0);
  if (units > mostUnits) {
    throw new UnmaskableError(
      `variables, secrets and their encoded forms have ${units} characters; at most ${mostUnits} can be masked in the output; pass large values in a file`,
    );
  }
  // Built lazily: most rejected starts never produce output.
  let matcher: LiteralMatcher | undefined;
  const known: readonly [string, string][] = [[keyPrefix, "[A-Za-z0-9]{16,}"], ...shapes];
  const tokens: TokenShapes = {
    prefixes: known.map(([prefix]) => prefix),
    pattern: new RegExp(
      `(?<![A-Za-z0-9])(?:${known.map(([prefix, rest]) => escaped(prefix) + rest).join("|")})`,
      "g",
    ),
  };
  const open = (): MaskedStream => openStream((matcher ??= matchLiterals(literals)), tokens);
  const isClean = (text: string): boolean => {
    matcher ??= matchLiterals(literals);
    let state = 0;
    for (let at = 0; at < text.length; at += 1) {
      if (state === 0) at = matcher.skip(text, at);
      if (at === text.length) break;
      state = matcher.next(state, text.charCodeAt(at));
      if (matcher.matched(state) > 0) return false;
    }
    return text.search(tokens.pattern) === -1;
  };
  return {
    mask: (text, most = Infinity) => {
      // Most texts are short and have no secret; a stream costs more than searching them.
      if (text.length <= SHORT && isClean(text)) return text;
      const stream = open();
      let masked = "";
      for (let at = 0; at < text.length; at += PIECE) {
        masked += stream.write(text.slice(at, at + PIECE));
        if (masked.length >= most) return masked;
      }
      return masked + stream.end();
    },
    open,
  };
}

/** Returns a value's lines and the encoded forms in which programs print it. */
function formsOf(value: string): string[] {
  const whole = value.trim();
  if (whole.length < shortest) return [];
  const lines = whole.split(/\r\n|\r|\n/).map((line) => line.trim());
  const encoded = [
    Buffer.from(value).toString("base64"),
    Buffer.from(whole).toString("base64"),
    // Converted to bytes, because encodeURIComponent rejects lone surrogates.
    encodeURIComponent(Buffer.from(whole).toString()),
    JSON.stringify(whole).slice(1, -1),
  ];
  return [...lines, ...encoded].filter((text) => text.length >= shortest);
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

/** A secret's range in the buffered text; a start of -1 means its mask was already written. */
interface Range {
  start: number;
  end: number;
}

interface TokenShapes {
  prefixes: readonly string[];
  pattern: RegExp;
}

function openStream(literals: LiteralMatcher, tokens: TokenShapes): MaskedStream {
  /** The last emitted unit, if any, and all text not yet emitted. */
  let text = "";
  let given = 0;
  let state = 0;
  let ranges: Range[] = [];
  /** Tokens before this position were found. */
  let searched = 0;

  const findLiterals = (from: number): void => {
    for (let at = from; at < text.length; at += 1) {
      if (state === 0) at = literals.skip(text, at);
      if (at === text.length) break;
      state = literals.next(state, text.charCodeAt(at));
      const length = literals.matched(state);
      if (length > 0) ranges.push({ start: at + 1 - length, end: at + 1 });
    }
  };
  const findTokens = (until: number): void => {
    tokens.pattern.lastIndex = searched;
    for (;;) {
      const found = tokens.pattern.exec(text);
      if (!found || found.index >= until) break;
      ranges.push({ start: found.index, end: found.index + found[0].length });
    }
    searched = until;
  };
  /** Emits the text before a position that later matches cannot reach. */
  const give = (until: number): string => {
    let masked = "";
    let at = given;
    // One unit is kept: a token does not start within a word.
    const forgotten = Math.max(0, until - 1);
    const kept: Range[] = [];
    for (const { start, end } of merged(ranges)) {
      if (start < until) {
        if (start >= 0) masked += text.slice(at, start) + MASK;
        at = Math.min(end, until);
      }
      const from = start < until ? -1 : start - forgotten;
      if (end > until) kept.push({ start: from, end: end - forgotten });
    }
    masked += text.slice(at, until);
    text = text.slice(forgotten);
    given = until - forgotten;
    searched = Math.max(given, searched - forgotten);
    ranges = kept;
    return masked;
  };

  return {
    write: (piece) => {
      const from = text.length;
      text += piece;
      findLiterals(from);
      const token = beforeToken(text, given, tokens.prefixes);
      findTokens(token);
      return give(Math.max(given, Math.min(token, text.length - literals.depth(state))));
    },
    end: () => {
      findTokens(text.length);
      return give(text.length);
    },
  };
}

/** Merges overlapping ranges, which are sorted. */
function merged(ranges: readonly Range[]): Range[] {
  const joined: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last && range.start < last.end) last.end = Math.max(last.end, range.end);
    else joined.push({ ...range });
  }
  return joined;
}

/** Returns the position of the first unfinished token at the end of the text. */
function beforeToken(text: string, from: number, prefixes: readonly string[]): number {
  const earliest = Math.max(from, text.length - longestToken);
  let start = text.length;
  while (start > earliest && /[A-Za-z0-9_-]/.test(text.charAt(start - 1))) start -= 1;
  for (let at = start; at < text.length; at += 1) {
    if (at > 0 && /[A-Za-z0-9]/.test(text.charAt(at - 1))) continue;
    const rest = text.slice(at);
    if (prefixes.some((prefix) => prefix.startsWith(rest) || rest.startsWith(prefix))) return at;
  }
  return text.length;
}
