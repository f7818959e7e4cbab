/**
 * Scores how well a text matches the input: all typed characters must occur in order. Word starts and
 * runs score higher, so that "nag" finds "New agent" before "Manage".
 * @returns 0 for no match
 */
export function fuzzyScore(text: string, typed: string): number {
  const needle = typed.toLowerCase().replaceAll(/\s+/g, "");
  if (needle === "") return 1;
  const hay = text.toLowerCase();
  const whole = hay.indexOf(typed.trim().toLowerCase());
  if (whole !== -1) return 1000 - Math.min(whole, 200) + (isStart(hay, whole) ? 500 : 0);

  let score = 0;
  let at = -1;
  for (const character of needle) {
    // Prefer the start of a later word to a letter inside the next one.
    const next = startOfWord(hay, character, at + 1) ?? hay.indexOf(character, at + 1);
    if (next === -1) return scoreInOrder(hay, needle);
    score += next === at + 1 ? 8 : isStart(hay, next) ? 10 : 1;
    at = next;
  }
  return score;
}

/** Greedy match: each character at its first occurrence. */
function scoreInOrder(hay: string, needle: string): number {
  let score = 0;
  let at = -1;
  for (const character of needle) {
    const next = hay.indexOf(character, at + 1);
    if (next === -1) return 0;
    score += next === at + 1 ? 8 : 1;
    at = next;
  }
  return score;
}

function isStart(hay: string, at: number): boolean {
  return at === 0 || !/[\p{L}\p{N}]/u.test(hay[at - 1] ?? "");
}

function startOfWord(hay: string, character: string, from: number): number | undefined {
  if (hay[from] === character) return from;
  for (let at = hay.indexOf(character, from); at !== -1; at = hay.indexOf(character, at + 1)) {
    if (isStart(hay, at)) return at;
  }
  return undefined;
}
