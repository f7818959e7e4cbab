import { createHmac, randomBytes } from "node:crypto";
import type { Trigger } from "#shared/api/work/automation-parts.js";
import { decrypt, encrypt, purposes } from "../../../../encrypt.js";
import type { AutomationRow } from "../automations.queries.js";

export interface AddressDeps {
  /** Encrypts secrets. */
  secret: string;
  /** Key of the HMACs of tokens. */
  verificationKey: string;
  publicUrl: () => string;
}

/** The values that are shown once. */
export interface Address {
  url: string | null;
  secret: string | null;
}

const TOKEN_BYTES = 24;
const SECRET_BYTES = 32;

/** Returns the HMAC by which a token is stored. */
export function hashToken(verificationKey: string, token: string): Buffer {
  return createHmac("sha256", verificationKey)
    .update("omoi automation token\n")
    .update(token)
    .digest();
}

/** Makes the address of an automation, and the secret that its trigger asks for; null without such a trigger. */
export function makeAddress(
  { secret, verificationKey, publicUrl }: AddressDeps,
  id: string,
  triggers: readonly Trigger[],
): { columns: Pick<AutomationRow, "token_hash" | "sealed_secret">; shown: Address } | null {
  const trigger = triggers.find(({ type }) => type === "webhook");
  if (trigger?.type !== "webhook") return null;
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  const signing = trigger.signed ? `whsec_${randomBytes(SECRET_BYTES).toString("base64")}` : null;
  const sealed =
    signing === null ? null : encrypt(secret, purposes.automationSecret, id, Buffer.from(signing));
  return {
    columns: { token_hash: hashToken(verificationKey, token), sealed_secret: sealed },
    shown: { url: `${publicUrl()}/hooks/automations/${id}/${token}`, secret: signing },
  };
}

/** Decrypts the secret of an automation; null if it was encrypted with another secret. */
export function openSecret(secret: string, { id, sealed_secret }: AutomationRow): string | null {
  if (sealed_secret === null) return null;
  return decrypt(secret, purposes.automationSecret, id, sealed_secret)?.toString("utf8") ?? null;
}
