import { createHmac, randomBytes } from "node:crypto";

/** The prefix of run tokens, distinct from API keys and access tokens. */
export const runTokenPrefix = "ort_";

/** A run's credential, which acts as its agent until its command exits. */
export interface RunToken {
  token: string;
  hash: Buffer;
}

export function newRunToken(secret: string): RunToken {
  const token = runTokenPrefix + randomBytes(32).toString("base64url");
  return { token, hash: hashRunToken(secret, token) };
}

/** Returns the stored form of a token: its HMAC-SHA-256 under the installation's secret. */
export function hashRunToken(secret: string, token: string): Buffer {
  return createHmac("sha256", secret).update("omoi run token\n").update(token).digest();
}
