import { expect, test } from "vitest";
import { totpCode } from "#test/support/auth/totp-code.js";
import { readChallenge, signChallenge } from "../challenges.js";
import { encrypt, decrypt } from "../../../../encrypt.js";
import {
  describeTotp,
  hashRecoveryCode,
  newRecoveryCodes,
  newTotpSecret,
  stepOfCode,
} from "./totp.js";

const secret = "an installation's secret of 32 characters";

// RFC 6238, appendix B, SHA-1: the last six of eight digits.
test.each([
  [59, "287082"],
  [1111111109, "081804"],
  [1111111111, "050471"],
  [1234567890, "005924"],
  [2000000000, "279037"],
])("at %i seconds the code is that of RFC 6238", (seconds, code) => {
  const bytes = Buffer.from("12345678901234567890");
  const step = Math.floor(seconds / 30);
  expect(stepOfCode(bytes, code, seconds * 1000)).toBe(step);
  expect(stepOfCode(bytes, code, (seconds + 30) * 1000)).toBe(step);
  expect(stepOfCode(bytes, code, (seconds - 30) * 1000)).toBe(step);
  expect(stepOfCode(bytes, code, (seconds + 60) * 1000)).toBeNull();
  expect(stepOfCode(bytes, code, (seconds - 60) * 1000)).toBeNull();
});

test.each(["١٢٣٤٥٦", "１２３４５６", "12345", "1234567", "abcdef", "", "\u{1d7ce}23456"])(
  "%j is not a code, whatever its digits",
  (code) => {
    expect(stepOfCode(newTotpSecret(), code, Date.now())).toBeNull();
  },
);

test("an app that has the secret as text shows the code", () => {
  const bytes = newTotpSecret();
  const described = describeTotp(bytes, "ann@example.com", "Omoi (localhost)");
  expect(described.secret).toMatch(/^[A-Z2-7]{32}$/);
  const uri = new URL(described.uri);
  expect([uri.protocol, uri.host]).toEqual(["otpauth:", "totp"]);
  expect(decodeURIComponent(uri.pathname)).toBe("/Omoi (localhost):ann@example.com");
  expect(uri.searchParams.get("secret")).toBe(described.secret);
  expect(stepOfCode(bytes, totpCode(described.secret), Date.now())).not.toBeNull();
});

test("recovery codes are unique and accept typed variations", () => {
  const codes = newRecoveryCodes();
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/);
  const [code = ""] = codes;
  const hash = hashRecoveryCode(secret, "ann", code);
  const spaced = ` ${code.toUpperCase().replace("-", " ")} `;
  expect(hashRecoveryCode(secret, "ann", spaced)).toEqual(hash);
  expect(hashRecoveryCode(secret, "bob", code)).not.toEqual(hash);
  expect(hashRecoveryCode(`${secret}!`, "ann", code)).not.toEqual(hash);
});

test("encrypted values decrypt only with their purpose, owner and secret, unaltered", () => {
  const plain = Buffer.from("a secret");
  const sealed = encrypt(secret, "purpose", "ann", plain);
  expect(sealed.includes(plain)).toBe(false);
  expect(decrypt(secret, "purpose", "ann", sealed)).toEqual(plain);
  expect(decrypt(secret, "another", "ann", sealed)).toBeNull();
  expect(decrypt(secret, "purpose", "bob", sealed)).toBeNull();
  expect(decrypt(`${secret}!`, "purpose", "ann", sealed)).toBeNull();
  for (let place = 0; place < sealed.length; place += 1) {
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
    expect(decrypt(secret, "purpose", "ann", changed)).toBeNull();
  }
  expect(decrypt(secret, "purpose", "ann", Buffer.alloc(5))).toBeNull();
  expect(encrypt(secret, "purpose", "ann", plain)).not.toEqual(sealed);
});

test("a challenge is valid for its purpose only, unaltered, in one encoding", () => {
  const userId = "0193f2b4-7c1e-7000-8000-000000000001";
  const bytes = signChallenge(secret, "second factor", userId);
  const text = bytes.toString("base64url");
  const challenge = readChallenge(secret, "second factor", text);
  expect(challenge?.userId).toBe(userId);
  const life = Date.parse(challenge?.expiresAt ?? "") - Date.now();
  expect(life).toBeGreaterThan(4 * 60_000);
  expect(life).toBeLessThanOrEqual(5 * 60_000);
  expect(readChallenge(secret, "passkey sign-in", text)).toBeNull();
  expect(readChallenge(`${secret}!`, "second factor", text)).toBeNull();
  expect(readChallenge(secret, "second factor", `${text}=`)).toBeNull();
  for (let place = 0; place < bytes.length; place += 1) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
    expect(readChallenge(secret, "second factor", changed.toString("base64url"))).toBeNull();
  }
});
