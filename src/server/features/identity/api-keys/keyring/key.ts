import { createHmac } from "node:crypto";

/** Returns the stored form of a key: its HMAC-SHA-256 under the installation's verification key. */
export function hashKey(secret: string, key: string): Buffer {
  return createHmac("sha256", secret).update("omoi api key\n").update(key).digest();
}

/** Returns the parts of a key that are shown to its owner. */
export function keyDisplay(prefix: string, key: string): { key_prefix: string; key_hint: string } {
  const key_prefix = key.slice(0, prefix.length + 6);
  return { key_prefix, key_hint: `${key_prefix}...${key.slice(-6)}` };
}
