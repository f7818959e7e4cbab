import { createHmac, randomBytes } from "node:crypto";

/** What the token of a run begins with; an API key or an access token begins otherwise. */
export const runTokenPrefix = "ort_";

/** The credential of a run: for its agent and for as long as its command runs. */
export interface RunToken {
  token: string;
  hash: Buffer;
}

export function newRunToken(secret: string): RunToken {
  const token = runTokenPrefix + randomBytes(32).toString("base64url");
  return { token, hash: hashRunToken(secret, token) };
}

/** What is stored in the token's place: HMAC-SHA-256 under the installation's secret. */
export function hashRunToken(secret: string, token: string): Buffer {
  return createHmac("sha256", secret).update("omoi run token\n").update(token).digest();
}
