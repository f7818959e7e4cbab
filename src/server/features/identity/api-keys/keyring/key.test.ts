import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { generateKey, isWellFormed } from "#shared/node/key-text.js";
import { hashKey, keyDisplay } from "./key.js";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** CRC-32 by its definition (ISO 3309), independent of the code under test. */
function checksumOf(text: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  let rest = BigInt((crc ^ 0xffffffff) >>> 0);
  let digits = "";
  for (let place = 0; place < 6; place += 1) {
    digits = alphabet.charAt(Number(rest % 62n)) + digits;
    rest /= 62n;
  }
  return digits;
}

describe("the text of a key", () => {
  test.each([
    ["sk_live_000000000000000000000000000000", "1yMVfD"],
    ["sk_live_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "4WF2SO"],
    ["sk_live_abcdefghijklmnopqrstuvwxyzABCD", "47jjTd"],
    ["sk_live_xMFDGwCALHttglKNw24DsBPfTDd0TP", "00GTUw"],
  ])("%s has the checksum %s, as computed by zlib", (body, checksum) => {
    expect(checksumOf(body)).toBe(checksum);
    expect(isWellFormed("sk_live_", body + checksum)).toBe(true);
  });

  test("is the prefix, 30 random characters and the checksum, and unique", () => {
    const keys = Array.from({ length: 500 }, () => generateKey("sk_live_"));
    for (const key of keys) {
      expect(key).toMatch(/^sk_live_[0-9A-Za-z]{36}$/);
      expect(key.slice(-6)).toBe(checksumOf(key.slice(0, -6)));
      expect(isWellFormed("sk_live_", key)).toBe(true);
    }
    expect(new Set(keys).size).toBe(500);
    expect(new Set(keys.flatMap((key) => key.slice(8, 38).split(""))).size).toBe(62);
  });

  test("is rejected with any character changed, removed or added, or with another prefix", () => {
    const key = generateKey("sk_live_");
    for (let place = 0; place < key.length; place += 1) {
      const other = key.charAt(place) === "x" ? "y" : "x";
      const changed = key.slice(0, place) + other + key.slice(place + 1);
      expect([changed, isWellFormed("sk_live_", changed)]).toEqual([changed, false]);
    }
    for (const wrong of [
      "",
      "sk_live_",
      key.slice(0, -1),
      key.slice(1),
      `${key}0`,
      ` ${key}`,
      `${key}\n`,
      key.toUpperCase(),
      key.replace("sk_live_", "sk_test_"),
      key.slice("sk_live_".length),
    ]) {
      expect([wrong, isWellFormed("sk_live_", wrong)]).toEqual([wrong, false]);
    }
    expect(isWellFormed("other_", key)).toBe(false);
    // The checksum covers the prefix: another installation's key with this prefix is invalid.
    const foreign = generateKey("acme_");
    expect(isWellFormed("acme_", foreign)).toBe(true);
    expect(isWellFormed("sk_live_", foreign.replace("acme_", "sk_live_"))).toBe(false);
  });

  test("is identified by its prefix and last characters", () => {
    const key = "sk_live_abc123def456ghi789jkl012mno345xyz789";
    expect(keyDisplay("sk_live_", key)).toEqual({
      key_prefix: "sk_live_abc123",
      key_hint: "sk_live_abc123...xyz789",
    });
  });

  test("is stored as an HMAC-SHA-256 that depends on the secret", () => {
    const key = generateKey("sk_live_");
    const stored = hashKey("a secret", key);
    expect(stored).toHaveLength(32);
    expect(stored).toEqual(hashKey("a secret", key));
    expect(stored).not.toEqual(hashKey("another secret", key));
    expect(stored).not.toEqual(createHmac("sha256", "").update(key).digest());
    expect(stored.toString("latin1")).not.toContain(key.slice(8, 14));
  });
});
