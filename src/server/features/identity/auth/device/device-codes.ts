import { createHmac, randomBytes, randomInt } from "node:crypto";
import { userCodeFrom, userCodeLetters } from "#shared/identity/user-code.js";

/** Returns a new code of 256 bits, which the program keeps. */
export const newDeviceCode = (): string => randomBytes(32).toString("base64url");

/** Returns a new code of eight letters, which a person enters: 20^8, about 2^34 codes. */
export function newUserCode(): string {
  const letters = Array.from({ length: 8 }, () => userCodeLetters[randomInt(20)]);
  return shownUserCode(letters.join(""));
}

/** Returns a user code as it is shown: "BCDF-GHJK". */
export function shownUserCode(entered: string): string {
  const code = userCodeFrom(entered);
  if (code === null) throw new Error("not a user code");
  return code;
}

/** Returns the HMAC under which a code is stored. */
export function hashCode(secret: string, kind: "device" | "user", code: string): Buffer {
  const text = kind === "user" ? shownUserCode(code) : code;
  return createHmac("sha256", secret).update(`omoi device login ${kind}\n`).update(text).digest();
}
