/** Values of secrets, encrypted for their owner and name only. */
import { purposes, decrypt, encrypt } from "../../../encrypt.js";

interface SecretId {
  owner_id: string;
  name: string;
}

/** The encryption context; `rotate-secret.ts` and `verify.ts` derive the same in SQL. */
const contextOf = ({ owner_id, name }: SecretId): string => `${owner_id}/${name}`;

/** @param secret the installation's secret */
export function encryptValue(secret: string, id: SecretId, value: Buffer): Buffer {
  return encrypt(secret, purposes.secretValue, contextOf(id), value);
}

/** Returns null if the value was encrypted with another secret of the installation. */
export function decryptValue(secret: string, id: SecretId, sealed: Buffer): string | null {
  return decrypt(secret, purposes.secretValue, contextOf(id), sealed)?.toString() ?? null;
}
