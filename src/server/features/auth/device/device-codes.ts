import { createHmac, randomBytes, randomInt } from "node:crypto";
import { userCodeLetters } from "#shared/api/identity/device-login.js";

/** Returns a new code of 256 bits, which the program keeps. */
export const newDeviceCode = (): string => randomBytes(32).toString("base64url");

/** Returns a new code of eight letters, which a person enters: 20^8, about 2^34 codes. */
export function newUserCode(): string {
  const letters = Array.from({ length: 8 }, () => userCodeLetters[randomInt(20)]);
  return shownUserCode(letters.join(""));
}

/** Returns a user code as it is shown: "BCDF-GHJK". */
export function shownUserCode(entered: string): string {
  const letters = entered.replaceAll("-", "").toUpperCase();
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** Returns the HMAC under which a code is stored. */
export function hashCode(secret: string, kind: "device" | "user", code: string): Buffer {
  const text = kind === "user" ? shownUserCode(code) : code;
  return createHmac("sha256", secret).update(`omoi device login ${kind}\n`).update(text).digest();
}
