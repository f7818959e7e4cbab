/** Tells whether `text` is a full SHA-1 object id in lower case. */
export function isOid(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/**
 * Checks that `text` is a full object id; nothing else may reach an argument.
 * @throws TypeError
 */
export function assertOid(text: string): void {
  if (!isOid(text))
    throw new TypeError(`not a git object id: ${JSON.stringify(text.slice(0, 80))}`);
}
