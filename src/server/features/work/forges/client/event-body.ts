import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** Parses the body of an event. @throws SyntaxError */
export const parseBody = (body: Buffer): unknown => JSON.parse(body.toString("utf8"));

/** Returns the member at a path of names; undefined where one is missing. */
export function memberAt(value: unknown, ...path: string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

/** Returns the text at a path; null without one. */
export function textAt(value: unknown, ...path: string[]): string | null {
  const found = memberAt(value, ...path);
  return typeof found === "string" && found !== "" ? found : null;
}

/** Returns the number of an issue or a pull request at a path; null without one. */
export function numberAt(value: unknown, ...path: string[]): number | null {
  const found = memberAt(value, ...path);
  return typeof found === "number" && Number.isSafeInteger(found) && found > 0 ? found : null;
}

/** Returns the name of a branch from its full ref; null for tags and others. */
export function branchOf(ref: string | null): string | null {
  const prefix = "refs/heads/";
  return ref !== null && ref.startsWith(prefix) && ref !== prefix ? ref.slice(prefix.length) : null;
}

/** Returns an id for a delivery whose forge gives none. */
export const idOfBody = (body: Buffer): string =>
  createHash("sha256").update(body).digest("hex").slice(0, 40);

/** Returns whether a signature in hexadecimal is that of the body. */
export function isSigned(secret: string, signature: string | undefined, body: Buffer): boolean {
  const expected = createHmac("sha256", secret).update(body).digest("hex");
  return secret !== "" && signature !== undefined && areSame(signature.toLowerCase(), expected);
}

/** Compares texts in a time that does not depend on where they differ. */
export function areSame(given: string, expected: string): boolean {
  // Digests have one length, so that the length of the expected text stays unknown.
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
