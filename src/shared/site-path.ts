/**
 * Returns a link target as a path of this site, or null if it leads elsewhere, to prevent open
 * redirects after sign-in. Rejects everything that a browser would read as a host: `//host`,
 * `/\host`, `/.//host` and others.
 */
export function sitePath(target: string): string | null {
  if (!target.startsWith("/") || !URL.canParse(target, "http://site.invalid")) return null;
  const url = new URL(target, "http://site.invalid");
  const path = url.pathname + url.search + url.hash;
  return url.origin === "http://site.invalid" && !path.startsWith("//") ? path : null;
}
