import { randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * The key's text: prefix, 30 random base62 characters, and the CRC32 of all that as 6 base62
 * characters, zero-padded (contract, *API keys*). The checksum lets a mistyped or made-up key be
 * refused without a query, and a scanner tell a real key from a look-alike.
 */
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const randomLength = 30;
const checksumLength = 6;

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let place = 0; place < checksumLength; place += 1) {
    digits = alphabet.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** A new key of some 178 bits. */
export function generateKey(prefix: string): string {
  let body = prefix;
  for (let place = 0; place < randomLength; place += 1) body += alphabet.charAt(randomInt(62));
  return body + checksum(body);
}

/** Characters of a key with this prefix. */
export function keyLength(prefix: string): number {
  return prefix.length + randomLength + checksumLength;
}

/** Whether a text has the form of a key of this installation and its checksum is right. */
export function isWellFormed(prefix: string, key: string): boolean {
  const body = key.slice(0, -checksumLength);
  return (
    key.length === keyLength(prefix) &&
    key.startsWith(prefix) &&
    /^[0-9A-Za-z]+$/.test(key.slice(prefix.length)) &&
    checksum(body) === key.slice(-checksumLength)
  );
}
