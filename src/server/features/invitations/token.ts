import { createHmac, randomBytes } from "node:crypto";

/** A new token of 256 bits, for a link. */
export function generateToken(): string {
  return randomBytes(32).toString("base64url");
}

/** What is stored in the token's place: HMAC-SHA-256 under the installation's secret. */
export function hashToken(secret: string, token: string): Buffer {
  return createHmac("sha256", secret).update("omoi invitation\n").update(token).digest();
}
