import { createHmac, randomBytes } from "node:crypto";

/** Returns a new 256-bit token for a link. */
export function generateToken(): string {
  return randomBytes(32).toString("base64url");
}

/** Returns the stored form of a token: its HMAC-SHA-256 under the installation's secret. */
export function hashToken(secret: string, token: string): Buffer {
  return createHmac("sha256", secret).update("omoi invitation\n").update(token).digest();
}
