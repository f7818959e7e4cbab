import { randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * The format of API keys: prefix, 30 random base62 characters, and the CRC32 of both as 6
 * zero-padded base62 characters. The checksum rejects mistyped and made-up keys without a query,
 * and lets a scanner tell real keys from look-alikes.
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

/** Generates a key with about 178 bits of entropy. */
export function generateKey(prefix: string): string {
  let body = prefix;
  for (let place = 0; place < randomLength; place += 1) body += alphabet.charAt(randomInt(62));
  return body + checksum(body);
}

/** Returns the key that belongs to 256 random bits. */
export function keyFrom(prefix: string, bits: Buffer): string {
  let rest = BigInt(`0x${bits.toString("hex")}`);
  let body = prefix;
  for (let place = 0; place < randomLength; place += 1) {
    body += alphabet.charAt(Number(rest % 62n));
    rest /= 62n;
  }
  return body + checksum(body);
}

/** Returns the length of a key with this prefix. */
export function keyLength(prefix: string): number {
  return prefix.length + randomLength + checksumLength;
}

/** Tells whether a text has the format and a valid checksum of this installation's keys. */
export function isWellFormed(prefix: string, key: string): boolean {
  const body = key.slice(0, -checksumLength);
  return (
    key.length === keyLength(prefix) &&
    key.startsWith(prefix) &&
    /^[0-9A-Za-z]+$/.test(key.slice(prefix.length)) &&
    checksum(body) === key.slice(-checksumLength)
  );
}
