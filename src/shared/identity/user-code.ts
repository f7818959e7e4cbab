/** Letters of a user code: no vowels, so that no code is a word, and no Y (RFC 8628, section 6.1). */
export const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ";

const shape = new RegExp(`^[${userCodeLetters}]{8}$`);

/**
 * Returns the code of a device login as it is shown, "BCDF-GHJK", from one entered in any case, with or without
 * hyphens and spaces; null if it is none.
 */
export function userCodeFrom(entered: string): string | null {
  const letters = entered.replaceAll(/[\s-]/g, "").toUpperCase();
  return shape.test(letters) ? `${letters.slice(0, 4)}-${letters.slice(4)}` : null;
}
