import { randomBytes } from "node:crypto";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import { purposes, encrypt, decrypt } from "../encrypt.js";

/**
 * Checks the secret against the encrypted verification key, which only the right secret decrypts. A new
 * database has no key and accepts any secret.
 * @throws ConfigError when the secret differs
 */
export async function checkSecret(owner: pg.ClientBase, secret: string): Promise<void> {
  const encrypted = await readEncryptedKey(owner);
  if (encrypted !== null && decryptKey(secret, encrypted) === null) throw wrongSecret();
}

/**
 * Returns the HMAC key for API keys, email links and recovery codes. It is created on the first start;
 * a database of an earlier version uses the secret itself, as that version did.
 * @throws ConfigError when the secret differs
 */
export async function openVerificationKey(owner: pg.ClientBase, secret: string): Promise<string> {
  const { rows } = await owner.query<{ used: boolean }>(
    "select exists (select from users) as used",
  );
  const key = rows[0]?.used === true ? secret : randomBytes(32).toString("hex");
  // When two first starts run concurrently, one writes the key and both read it.
  await owner.query(
    "insert into installation (encrypted_verification_key) values ($1) on conflict do nothing",
    [encryptKey(secret, key)],
  );
  return readVerificationKey(owner, secret);
}

/**
 * Reads the verification key of an initialized database.
 * @throws ConfigError
 */
export async function readVerificationKey(client: pg.ClientBase, secret: string): Promise<string> {
  const encrypted = await readEncryptedKey(client);
  const key = encrypted && decryptKey(secret, encrypted);
  if (key === null) throw wrongSecret();
  return key;
}

/**
 * Whether the database was encrypted with this secret; null for a database without a verification key.
 */
export async function matchesSecret(
  client: pg.ClientBase,
  secret: string,
): Promise<boolean | null> {
  const encrypted = await readEncryptedKey(client);
  return encrypted && decryptKey(secret, encrypted) !== null;
}

/** Re-encrypts the verification key, in the transaction that rotates the secret. */
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
    "The database was encrypted with another secret; set OMOI_SECRET to it, or restore the file `secret` in OMOI_DATA_DIR from a backup",
  );
}
