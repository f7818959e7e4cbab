import { createHmac, randomInt } from "node:crypto";
import { Secret, TOTP } from "otpauth";

/**
 * Codes of authenticator apps (RFC 6238) with the parameters every app supports: SHA-1, six digits, 30
 * seconds.
 */
const settings = { algorithm: "SHA1", digits: 6, period: 30 } as const;

/** Returns a new secret of 160 bits, the length of the hash (RFC 4226, section 4). */
export function newTotpSecret(): Uint8Array {
  return new Secret({ size: 20 }).bytes;
}

/** Returns the secret in its typed form and as a URI for scanning. */
export function describeTotp(
  bytes: Uint8Array,
  email: string,
  issuer: string,
): { secret: string; uri: string } {
  const secret = secretOf(bytes);
  const uri = new TOTP({ ...settings, secret, issuer, label: email }).toString();
  return { secret: secret.base32, uri };
}

/** Whether a text has the form of an authenticator app's code: six ASCII digits. */
export function isTotpCode(code: string): boolean {
  return /^\d{6}$/.test(plainCode(code));
}

/** Returns the time step of a code, at most one step from now, or null. */
export function stepOfCode(bytes: Uint8Array, code: string, now: number): number | null {
  if (!isTotpCode(code)) return null;
  const secret = secretOf(bytes);
  const delta = TOTP.validate({
    ...settings,
    token: plainCode(code),
    secret,
    timestamp: now,
    window: 1,
  });
  return delta === null ? null : TOTP.counter({ period: settings.period, timestamp: now }) + delta;
}

function secretOf(bytes: Uint8Array): Secret {
  // A copy, because the library uses the whole underlying buffer, which small Buffers share.
  return new Secret({ buffer: Uint8Array.from(bytes).buffer });
}

/** Without letters that resemble digits (Crockford). */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const codeLength = 10;

/** Returns ten recovery codes of 50 bits, each written as `xxxxx-xxxxx`. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: 10 }, () => {
    let code = "";
    for (let place = 0; place < codeLength; place += 1) code += alphabet.charAt(randomInt(32));
    return `${code.slice(0, 5)}-${code.slice(5)}`;
  });
}

/** Returns the stored form of a recovery code: its HMAC, bound to the user. */
export function hashRecoveryCode(secret: string, userId: string, code: string): Buffer {
  return createHmac("sha256", secret)
    .update(`omoi recovery code ${userId}\n`)
    .update(plainCode(code))
    .digest();
}

/** Normalizes a typed code: capitals, spaces and hyphens are accepted. */
function plainCode(code: string): string {
  return code.toLowerCase().replaceAll(/[\s-]/g, "");
}
