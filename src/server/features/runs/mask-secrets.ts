/**
 * What takes secrets out of a run's output before it is written. A value is known by its text; a key of
 * a well-known service, or of this installation, by its shape. It guards against a slip, not against a
 * command that means to tell: that can always write a secret in another form.
 */

const mask = "***";
/** Shorter values are words that would be masked all over. */
const shortest = 6;
/** So much of a token that has no end yet is held back. */
const longestToken = 1024;

/** Shapes of keys, each by how it begins and what follows. */
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
  /** The text without secrets. Of whole lines nothing is missed. */
  mask(text: string): string;
  /** From where on a text that goes on may be the beginning of a secret; its length where it is not. */
  safeLength(text: string): number;
}

/** @param keyPrefix what this installation's keys begin with */
export function createMasker(values: readonly string[], keyPrefix: string): Masker {
  const literals = [...new Set(values.flatMap(formsOf))].toSorted(
    (one, other) => other.length - one.length,
  );
  const known: readonly [string, string][] = [[keyPrefix, "[A-Za-z0-9]{16,}"], ...shapes];
  const pattern = new RegExp(
    [
      ...literals.map(escaped),
      ...known.map(([prefix, rest]) => `(?<![A-Za-z0-9])${escaped(prefix)}${rest}`),
    ].join("|"),
    "g",
  );
  const begins = known.map(([prefix]) => prefix);

  return {
    mask: (text) => text.replace(pattern, mask),
    safeLength: (text) => {
      let safe = Math.min(beforeLiteral(text, literals), beforeToken(text, begins));
      // A secret that is whole is not cut where another like it may begin within it.
      for (const { 0: found, index } of text.matchAll(pattern)) {
        if (index < safe && index + found.length > safe) safe = index;
      }
      return safe;
    },
  };
}

/** A value's lines, and the forms in which programs print it. */
function formsOf(value: string): string[] {
  const whole = value.trim();
  const lines = whole.split(/\r\n|\r|\n/).map((line) => line.trim());
  const encoded = [
    Buffer.from(value).toString("base64"),
    Buffer.from(whole).toString("base64"),
    whole.replaceAll(/[^A-Za-z0-9_.!~*'()-]/gu, percent),
    JSON.stringify(whole).slice(1, -1),
  ];
  return whole.length < shortest
    ? []
    : [...lines, ...encoded].filter((text) => text.length >= shortest);
}

/** As encodeURIComponent, which refuses half of a character. */
const percent = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("");

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

/** Where the first end of the text begins that a literal begins with. */
function beforeLiteral(text: string, literals: readonly string[]): number {
  let safe = text.length;
  for (const literal of literals) {
    const first = literal.charAt(0);
    let at = text.indexOf(first, Math.max(0, text.length - literal.length + 1));
    while (at !== -1 && at < safe) {
      if (literal.startsWith(text.slice(at))) safe = at;
      at = text.indexOf(first, at + 1);
    }
  }
  return safe;
}

/** Where a token begins that the text ends with and that has a key's beginning. */
function beforeToken(text: string, begins: readonly string[]): number {
  const start = Math.max(0, text.length - longestToken);
  const run = /[A-Za-z0-9_-]*$/.exec(text.slice(start))?.[0] ?? "";
  for (let at = text.length - run.length; at < text.length; at += 1) {
    const rest = text.slice(at);
    if (begins.some((prefix) => prefix.startsWith(rest) || rest.startsWith(prefix))) return at;
  }
  return text.length;
}
