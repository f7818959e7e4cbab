/*
 * A new key's secret on its way from the form to the page that shows it once. Kept only in this
 * variable: not in the address, storage or a cache.
 */
let fresh: { id: string; secret: string } | null = null;

export function handOverNewKey(id: string, secret: string): void {
  fresh = { id, secret };
}

export function newKeySecret(id: string): string | null {
  return fresh?.id === id ? fresh.secret : null;
}

export function forgetNewKey(): void {
  fresh = null;
}
