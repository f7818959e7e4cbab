/** Providers that have an address of their own in Omoi; others need a `base_url`. */
export const namedProviders: readonly string[] = ["anthropic", "openai"];

const shape = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const MAX_LENGTH = 32;
/** Would name variables that are no provider's. */
const reserved = /^(?:omoi|git|ld)(?:-|$)/;

/** Returns why a text is no name of a provider; null if it is one. */
export function providerProblem(text: string): string | null {
  if (text.length > MAX_LENGTH || !shape.test(text)) {
    return `must be 1–${MAX_LENGTH} of a-z, 0-9 and single hyphens, beginning with a letter`;
  }
  return reserved.test(text) ? "must not begin with omoi, git or ld" : null;
}

/** Returns why a text is no address of a provider's API; null if it is one. */
export function baseUrlProblem(text: string): string | null {
  if (text.length > 2048 || !URL.canParse(text)) {
    return "must be an address, such as https://models.example.com/v1";
  }
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return "must begin with https://";
  if (url.username !== "" || url.password !== "") return "must not contain a user or a password";
  if (url.search !== "" || url.hash !== "" || /[?#]/.test(text)) return "must not contain ? or #";
  return null;
}
