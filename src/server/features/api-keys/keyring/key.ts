import { createHmac } from "node:crypto";

/** What is stored in the key's place: HMAC-SHA-256 under the installation's secret. */
export function hashKey(secret: string, key: string): Buffer {
  return createHmac("sha256", secret).update("omoi api key\n").update(key).digest();
}

/** What a person tells keys apart by. */
export function hintOf(prefix: string, key: string): { key_prefix: string; key_hint: string } {
  const key_prefix = key.slice(0, prefix.length + 6);
  return { key_prefix, key_hint: `${key_prefix}...${key.slice(-6)}` };
}
