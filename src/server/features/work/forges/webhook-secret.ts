import { isIP } from "node:net";
import type { Forge } from "#shared/api/work/forges.js";
import { isPublicAddress } from "#shared/node/public-address.js";
import { decrypt, encrypt, purposes } from "../../../encrypt.js";

/** Names that only a network of its own resolves. */
const LOCAL_NAME = /^[^.]+$|\.(?:localhost|local|internal|lan|home|corp|test|invalid|example)$/i;

/** Returns the address that a forge sends events to. */
export const hookUrl = (publicUrl: string, forgeId: string): string =>
  `${publicUrl}/hooks/forges/${forgeId}`;

/** Encrypts the secret of a connection's hooks. */
export const sealWebhookSecret = (secret: string, forgeId: string, value: string): Buffer =>
  encrypt(secret, purposes.forgeWebhookSecret, forgeId, Buffer.from(value));

/** Returns the secret of a connection's hooks; null without one that can be decrypted. */
export function openWebhookSecret(
  secret: string,
  { id, sealed_webhook_secret: sealed }: { id: string; sealed_webhook_secret: Buffer | null },
): string | null {
  return sealed && (decrypt(secret, purposes.forgeWebhookSecret, id, sealed)?.toString() ?? null);
}

/**
 * Returns how events come in unless the caller chooses: by hooks if the configuration says that the server's address is
 * public, else by polling, which needs no open port.
 * @param lacksSecret whether the connection is an App whose webhook secret is unknown
 */
export function defaultDelivery(publicUrl: string, lacksSecret: boolean): Forge["delivery"] {
  const { protocol, hostname } = new URL(publicUrl);
  const name = hostname.replaceAll(/[[\]]/g, "");
  const isPublic = isIP(name) === 0 ? !LOCAL_NAME.test(name) : isPublicAddress(name);
  return protocol === "https:" && isPublic && !lacksSecret ? "webhook" : "polling";
}
