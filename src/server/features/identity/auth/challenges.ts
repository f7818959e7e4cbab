import { createHmac, timingSafeEqual } from "node:crypto";
import { NIL, parse as uuidBytes, stringify as uuidText } from "uuid";
import { newId } from "../../../db/tables/columns.js";

/**
 * Challenges of sign-ins that take two requests. A challenge contains an id, its user and its expiry
 * under an HMAC of the installation's secret, so issuing one stores nothing. Answering it claims the id
 * (`claimChallenge`), so it works once.
 */
export type ChallengePurpose = "second factor" | "passkey registration" | "passkey sign-in";

export interface Challenge {
  id: string;
  /** Null: any user may answer. */
  userId: string | null;
  /** RFC 3339. */
  expiresAt: string;
  /** Hash of the state the challenge depends on, such as the password: see `bindingOf`. */
  binding: Buffer;
}

const bindingBytes = 16;
const claimBytes = 36 + bindingBytes;
const lifeSeconds = 5 * 60;

function mac(secret: string, purpose: ChallengePurpose, claims: Buffer): Buffer {
  return createHmac("sha256", secret).update(`omoi challenge ${purpose}\n`).update(claims).digest();
}

/** Returns a hash that binds a challenge to a value without revealing it. */
export function bindingOf(secret: string, value: string): Buffer {
  const whole = createHmac("sha256", secret).update(`omoi challenge binding\n${value}`).digest();
  return whole.subarray(0, bindingBytes);
}

export function signChallenge(
  secret: string,
  purpose: ChallengePurpose,
  userId: string | null,
  boundTo = "",
): Buffer {
  const bytes = Buffer.alloc(claimBytes);
  bytes.set(uuidBytes(newId()), 0);
  bytes.set(uuidBytes(userId ?? NIL), 16);
  bytes.writeUInt32BE(Math.floor(Date.now() / 1000) + lifeSeconds, 32);
  bytes.set(bindingOf(secret, boundTo), 36);
  return Buffer.concat([bytes, mac(secret, purpose, bytes)]);
}

/** Verifies a challenge. Returns null unless it is valid and not expired. */
export function readChallenge(
  secret: string,
  purpose: ChallengePurpose,
  text: string,
): Challenge | null {
  const bytes = Buffer.from(text, "base64url");
  // One encoding per challenge: the decoder would ignore stray characters and bits.
  if (bytes.length !== claimBytes + 32 || bytes.toString("base64url") !== text) return null;
  const claims = bytes.subarray(0, claimBytes);
  if (!timingSafeEqual(bytes.subarray(claimBytes), mac(secret, purpose, claims))) return null;
  const expires = claims.readUInt32BE(32) * 1000;
  if (expires <= Date.now()) return null;
  const userId = uuidText(claims.subarray(16, 32));
  return {
    id: uuidText(claims.subarray(0, 16)),
    userId: userId === NIL ? null : userId,
    expiresAt: new Date(expires).toISOString(),
    binding: claims.subarray(36),
  };
}
