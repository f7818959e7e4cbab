/** Search by words in any script, exact or misspelled. */

/** Longer words are cut, since the time grows with their length. */
const MAX_WORD_LENGTH = 32;
const MAX_WORDS = 8;

/** Makes upper and lower case, composed and decomposed letters, and Latin accents equal. */
export function foldText(text: string): string {
  return text
    .normalize("NFKD")
    .replaceAll(/[\u0300-\u036f]/g, "")
    .normalize("NFC")
    .toUpperCase()
    .toLowerCase();
}

/** Splits a typed text at white space; at most eight words count. */
export function searchWords(typed: string): string[] {
  return typed.split(/\s+/u).filter(Boolean).slice(0, MAX_WORDS);
}

/** Scripts that write words without spaces between them. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const letter = /[\p{L}\p{N}\p{M}]/u;

/** How many letters of a word may be wrong, missing, added or swapped. */
function allowedErrors(length: number): number {
  if (length < 4) return 0;
  return length < 8 ? 1 : 2;
}

/** Whether each word occurs in the text, or is the misspelled beginning of one of its words. */
export function resembles(text: string, words: readonly string[]): boolean {
  if (words.length === 0) return false;
  const folded = foldText(text);
  let characters: readonly Character[] | undefined;
  return words.every((word) => {
    const wanted = foldText(word).slice(0, MAX_WORD_LENGTH);
    if (folded.includes(wanted)) return true;
    const pattern = Array.from(wanted);
    const errors = allowedErrors(pattern.length);
    if (errors === 0) return false;
    characters ??= charactersOf(text);
    return beginsNearly(characters, pattern, errors);
  });
}

interface Character {
  value: string;
  /** Whether a word may begin here. */
  isStart: boolean;
}

function charactersOf(text: string): Character[] {
  // "OrderForm" has two words.
  const spaced = text.replaceAll(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})/gu, " ");
  let isAfterLetter = false;
  return Array.from(foldText(spaced), (value) => {
    const isStart = !isAfterLetter || unspaced.test(value);
    isAfterLetter = letter.test(value);
    return { value, isStart };
  });
}

/**
 * Whether a pattern equals the beginning of a word up to some errors (optimal string alignment, with the rows
 * of the usual table along the pattern).
 */
function beginsNearly(
  text: readonly Character[],
  pattern: readonly string[],
  errors: number,
): boolean {
  const { length } = pattern;
  const far = errors + 1;
  let twoBefore = Array.from({ length: length + 1 }, () => far);
  let before = pattern.map((_value, at) => Math.min(far, at + 1));
  before.unshift(0);
  for (const [at, { value }] of text.entries()) {
    const now = [text[at + 1]?.isStart === false ? far : 0];
    for (let row = 1; row <= length; row += 1) {
      const isSame = pattern[row - 1] === value;
      let best = Math.min(
        (before[row - 1] ?? far) + (isSame ? 0 : 1),
        (before[row] ?? far) + 1,
        (now[row - 1] ?? far) + 1,
      );
      const isSwapped =
        row > 1 && pattern[row - 2] === value && pattern[row - 1] === text[at - 1]?.value;
      if (isSwapped) best = Math.min(best, (twoBefore[row - 2] ?? far) + 1);
      now.push(Math.min(far, best));
    }
    if ((now[length] ?? far) <= errors) return true;
    twoBefore = before;
    before = now;
  }
  return false;
}
