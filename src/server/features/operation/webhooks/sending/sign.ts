import { createHmac, randomBytes } from "node:crypto";
import { decrypt, encrypt, purposes } from "../../../../encrypt.js";

/*
 * Signatures of Standard Webhooks (https://www.standardwebhooks.com), version v1: HMAC-SHA-256 of
 * `<id>.<timestamp>.<body>`.
 */

const prefix = "whsec_";
const SECRET_BYTES = 32;

export function newSecret(): string {
  return prefix + randomBytes(SECRET_BYTES).toString("base64");
}

export interface SignedMessage {
  /** The event's id, which redeliveries repeat. */
  id: string;
  /** The time of the attempt. */
  at: Date;
  body: string;
}

/** Returns the headers of a message: one signature per secret, so that receivers can rotate theirs. */
export function signatureHeaders(
  { id, at, body }: SignedMessage,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = Math.floor(at.getTime() / 1000);
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(prefix.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatures.join(" "),
  };
}

/** @param secret the installation's secret */
export function encryptSecret(secret: string, webhookId: string, value: string): Buffer {
  return encrypt(secret, purposes.webhookSecret, webhookId, Buffer.from(value));
}

/** Returns null if the value was encrypted with another secret of the installation. */
export function decryptSecret(secret: string, webhookId: string, sealed: Buffer): string | null {
  return decrypt(secret, purposes.webhookSecret, webhookId, sealed)?.toString() ?? null;
}
