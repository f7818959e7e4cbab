import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/**
 * The purposes of encrypted values; `rotate-secret.ts` re-encrypts each of them. The strings are part
 * of the key derivation.
 */
export const purposes = {
  verificationKey: "verification key",
  totpSecret: "totp secret",
  upstreamCredential: "upstream credential",
  runEnvironment: "run environment",
  secretValue: "secret value",
  webhookSecret: "webhook secret",
  automationSecret: "automation secret",
  forgeCredential: "forge credential",
  forgeWebhookSecret: "forge webhook secret",
  queuedMail: "queued mail",
} as const;

const nonceBytes = 12;
const tagBytes = 16;
/** The bytes that encryption adds to a value. */
export const sealBytes = nonceBytes + tagBytes;

/** Derives a separate key for each purpose, so that a value decrypts for its purpose only. */
function keyOf(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `omoi sealing ${purpose}`, 32));
}

/**
 * Encrypts and authenticates (AES-256-GCM) under a key derived from the installation's secret.
 * @param context the value's owner, such as a user id; decryption requires the same context
 */
export function encrypt(
  secret: string,
  purpose: string,
  context: string,
  plain: Uint8Array,
): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", keyOf(secret, purpose), nonce);
  cipher.setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

/**
 * Decrypts a value. Returns null if it was altered, or encrypted with another secret, purpose or
 * context.
 */
export function decrypt(
  secret: string,
  purpose: string,
  context: string,
  sealed: Buffer,
): Buffer | null {
  if (sealed.length < sealBytes) return null;
  const nonce = sealed.subarray(0, nonceBytes);
  const options = { authTagLength: tagBytes };
  const decipher = createDecipheriv("aes-256-gcm", keyOf(secret, purpose), nonce, options);
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  try {
    const plain = decipher.update(sealed.subarray(sealBytes));
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    return null;
  }
}
