/*
 * The address of an automation on its way from the form to the page that shows it once. Kept only in this variable: not
 * in the address of the page, storage or a cache.
 */
interface Shown {
  url: string | null;
  secret: string | null;
}

let fresh: { id: string; address: Shown } | null = null;

export function showAddress(id: string, address: Shown | null): void {
  fresh = address === null ? null : { id, address };
}

export function shownAddress(id: string): Shown | null {
  return fresh?.id === id ? fresh.address : null;
}

export function forgetAddress(): void {
  fresh = null;
}
