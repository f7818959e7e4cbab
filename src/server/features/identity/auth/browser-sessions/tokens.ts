import { createHmac, timingSafeEqual } from "node:crypto";
import { parse as uuidBytes, stringify as uuidText } from "uuid";

/**
 * Session tokens. A token contains the session's id, its generation (number of refreshes) and its
 * expiry under an HMAC of the installation's secret: a forged one costs no query. A genuine one is
 * looked up, so ending a session ends all its tokens at once. No token is stored.
 */
const kinds = { access: "oat_", refresh: "ort_", cookie: "ocs_" } as const;
export type TokenKind = keyof typeof kinds;

export interface TokenClaims {
  sessionId: string;
  generation: number;
  /** Seconds since 1970. */
  expires: number;
}

const claimBytes = 24;

function mac(secret: string, kind: TokenKind, claims: Buffer): Buffer {
  return createHmac("sha256", secret)
    .update(`omoi session token ${kind}\n`)
    .update(claims)
    .digest();
}

export function signToken(secret: string, kind: TokenKind, claims: TokenClaims): string {
  const bytes = Buffer.alloc(claimBytes);
  bytes.set(uuidBytes(claims.sessionId), 0);
  bytes.writeUInt32BE(claims.generation, 16);
  bytes.writeUInt32BE(claims.expires, 20);
  return kinds[kind] + Buffer.concat([bytes, mac(secret, kind, bytes)]).toString("base64url");
}

/** Verifies a token's signature and expiry. Returns its claims or null. */
export function verifyToken(secret: string, kind: TokenKind, token: string): TokenClaims | null {
  if (!token.startsWith(kinds[kind])) return null;
  const text = token.slice(kinds[kind].length);
  const bytes = Buffer.from(text, "base64url");
  // One encoding per token: the decoder would ignore stray characters and bits.
  if (bytes.length !== claimBytes + 32 || bytes.toString("base64url") !== text) return null;
  const claims = bytes.subarray(0, claimBytes);
  if (!timingSafeEqual(bytes.subarray(claimBytes), mac(secret, kind, claims))) return null;
  const expires = claims.readUInt32BE(20);
  if (expires * 1000 <= Date.now()) return null;
  return {
    sessionId: uuidText(claims.subarray(0, 16)),
    generation: claims.readUInt32BE(16),
    expires,
  };
}
