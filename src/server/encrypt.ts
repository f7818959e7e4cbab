import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/** What is kept encrypted: a rotation of the secret encrypts each of them anew (`rotate-secret.ts`). */
export const purposes = {
  verificationKey: "verification key",
  totpSecret: "totp secret",
  upstreamCredential: "upstream credential",
  runEnvironment: "run environment",
  queuedMail: "queued mail",
} as const;

const nonceBytes = 12;
const tagBytes = 16;

/** A key of its own for each purpose: what was sealed for one cannot be opened for another. */
function keyOf(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `omoi sealing ${purpose}`, 32));
}

/**
 * Encrypts and authenticates (AES-256-GCM) under a key that follows from the installation's secret.
 * @param context what it belongs to, such as a person's id: it opens for nothing else
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

/** What `encrypt` was given; null where it was changed, or sealed by another secret or for something else. */
export function decrypt(
  secret: string,
  purpose: string,
  context: string,
  sealed: Buffer,
): Buffer | null {
  if (sealed.length < nonceBytes + tagBytes) return null;
  const nonce = sealed.subarray(0, nonceBytes);
  const options = { authTagLength: tagBytes };
  const decipher = createDecipheriv("aes-256-gcm", keyOf(secret, purpose), nonce, options);
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  try {
    const plain = decipher.update(sealed.subarray(nonceBytes + tagBytes));
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    return null;
  }
}
