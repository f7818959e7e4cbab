/** The user of a run at the proxy; its password is the run's token. */
const USER = "run";

const BASIC = /^basic +([a-z0-9+/]{1,400}={0,2}) *$/i;

/** Returns the token of a `Proxy-Authorization` header; null without one. */
export function proxyToken(header: string | undefined): string | null {
  const [, encoded] = BASIC.exec(header ?? "") ?? [];
  if (encoded === undefined) return null;
  const [user, ...password] = Buffer.from(encoded, "base64").toString("latin1").split(":");
  return user === USER ? password.join(":") : null;
}
