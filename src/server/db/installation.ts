import { randomBytes } from "node:crypto";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import { purposes, encrypt, decrypt } from "../encrypt.js";

/**
 * Holds the secret against the canary in the database: the verification key, which opens under the right
 * secret alone. A database without one has nothing to compare with yet.
 * @throws ConfigError where the secret is another one
 */
export async function checkSecret(owner: pg.ClientBase, secret: string): Promise<void> {
  const encrypted = await readEncryptedKey(owner);
  if (encrypted !== null && decryptKey(secret, encrypted) === null) throw wrongSecret();
}

/**
 * Returns the key under which API keys, links and recovery codes are kept as HMACs. It is made on the first
 * start; of a database that an earlier version has used it is the secret itself, which that version took.
 * @throws ConfigError where the secret is another one
 */
export async function openVerificationKey(owner: pg.ClientBase, secret: string): Promise<string> {
  const { rows } = await owner.query<{ used: boolean }>(
    "select exists (select from users) as used",
  );
  const key = rows[0]?.used === true ? secret : randomBytes(32).toString("hex");
  // Of two first starts at once one writes it, and both read it.
  await owner.query(
    "insert into installation (encrypted_verification_key) values ($1) on conflict do nothing",
    [encryptKey(secret, key)],
  );
  return readVerificationKey(owner, secret);
}

/** The verification key of a database that has been started before. @throws ConfigError */
export async function readVerificationKey(client: pg.ClientBase, secret: string): Promise<string> {
  const encrypted = await readEncryptedKey(client);
  const key = encrypted && decryptKey(secret, encrypted);
  if (key === null) throw wrongSecret();
  return key;
}

/** Whether a secret is the one that the database was written under; null where it holds no canary yet. */
export async function isSecretOf(client: pg.ClientBase, secret: string): Promise<boolean | null> {
  const encrypted = await readEncryptedKey(client);
  return encrypted && decryptKey(secret, encrypted) !== null;
}

/** Encrypts the verification key under another secret, in the transaction that rotates it. */
export async function writeVerificationKey(
  client: pg.ClientBase,
  secret: string,
  key: string,
): Promise<void> {
  await client.query(
    "update installation set encrypted_verification_key = $1, updated_at = now()",
    [encryptKey(secret, key)],
  );
}

async function readEncryptedKey(client: pg.ClientBase): Promise<Buffer | null> {
  const { rows: tables } = await client.query<{ exists: boolean }>(
    "select to_regclass('installation') is not null as exists",
  );
  if (tables[0]?.exists !== true) return null;
  const { rows } = await client.query<{ key: Buffer }>(
    "select encrypted_verification_key as key from installation",
  );
  return rows[0]?.key ?? null;
}

function encryptKey(secret: string, key: string): Buffer {
  return encrypt(secret, purposes.verificationKey, "", Buffer.from(key));
}

function decryptKey(secret: string, encrypted: Buffer): string | null {
  return decrypt(secret, purposes.verificationKey, "", encrypted)?.toString() ?? null;
}

function wrongSecret(): ConfigError {
  return new ConfigError(
    "The secret is not the one that this database was written under; set OMOI_SECRET to it, or restore the file `secret` in OMOI_DATA_DIR from a backup",
  );
}
