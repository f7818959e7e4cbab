/**
 * A link's target as a path of this site, or null where it leads elsewhere: what sends people on after
 * signing in must not send them to another site. What a browser would read as a host is refused in
 * every spelling, `//host`, `/\host` and `/.//host` among them.
 */
export function sitePath(target: string): string | null {
  if (!target.startsWith("/") || !URL.canParse(target, "http://site.invalid")) return null;
  const url = new URL(target, "http://site.invalid");
  const path = url.pathname + url.search + url.hash;
  return url.origin === "http://site.invalid" && !path.startsWith("//") ? path : null;
}
