import { createHmac, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import { nextSecretFile, secretFile } from "../data-folder/data-folder.js";
import type { Queryable } from "../db/connection/connect.js";
import { recordInstallationEvent } from "../db/audit/installation-audit.js";
import { matchesSecret, readVerificationKey, writeVerificationKey } from "../db/installation.js";
import { purposes, encrypt, decrypt } from "../encrypt.js";
import type { Installation } from "./installation.js";
import { promoteNextSecret, readSecretFile, withRotationLock } from "./recover-secret.js";

/** The result of a rotation. */
export interface Rotation {
  /** The file with the new secret, for OMOI_SECRET when the server does not read the file itself. */
  file: string;
  /** Whether the operator has to set OMOI_SECRET to the content of the file. */
  sets_environment: boolean;
  encrypted: number;
  /** Values the old secret could not decrypt; they are left unchanged. */
  unreadable: number;
  sessions_ended: number;
}

/**
 * Replaces the installation's secret: re-encrypts all encrypted values and ends all sessions. API keys,
 * email links and recovery codes stay valid, because the key that verifies them is kept. The new secret
 * is on disk before the database changes in one transaction; after an interruption, the next rotation
 * or start continues.
 * @param newSecretFile file with the new secret, for OMOI_SECRET; null generates one in the file of the data
 * folder, if the old one comes from there
 * @throws ConfigError when a server is running, or the new secret is missing or unchanged
 */
export async function rotateSecret(
  installation: Installation,
  newSecretFile: string | null,
): Promise<Rotation> {
  const { config, pool } = installation;
  const { dataDir } = config;
  // A server with OMOI_SECRET may have the file of an earlier time, with the same secret.
  const isFile = newSecretFile === null && readSecretFile(dataDir, secretFile) === config.secret;
  const client = await pool.connect();
  try {
    return await withRotationLock(client, async () => {
      if (await installation.isServed()) {
        throw new ConfigError(
          "Omoi is running and has the secret in memory; stop it, rotate the secret, and start it again",
        );
      }
      const file = isFile ? join(dataDir, nextSecretFile) : requireFile(newSecretFile);
      const next = isFile ? await makeNextSecret(dataDir) : readNewSecret(file);
      if (next === config.secret) {
        throw new ConfigError(`${file} contains the current secret; write a new one into it`);
      }
      if ((await matchesSecret(client, next)) === true) {
        throw new ConfigError(
          `The secret was already rotated; set OMOI_SECRET to the content of ${file}`,
        );
      }
      const result = await reencryptAll(installation, client, next);
      if (isFile) await promoteNextSecret(dataDir);
      return {
        file: isFile ? join(dataDir, secretFile) : file,
        sets_environment: !isFile,
        ...result,
      };
    });
  } finally {
    client.release();
  }
}

function requireFile(file: string | null): string {
  if (file !== null) return file;
  throw new ConfigError(
    "The secret comes from OMOI_SECRET; write the new one to a file (openssl rand -hex 32 > FILE) and pass --new-secret-file FILE",
  );
}

function readNewSecret(file: string): string {
  const secret = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  if (secret.length >= 32) return secret;
  throw new ConfigError(
    `${file} must contain a secret of at least 32 characters; create one with: openssl rand -hex 32 > ${file}`,
  );
}

/** Returns the secret of an interrupted rotation or a new one, written to disk durably. */
async function makeNextSecret(dataDir: string): Promise<string> {
  const earlier = readSecretFile(dataDir, nextSecretFile);
  if (earlier !== null && earlier.length >= 32) return earlier;
  const secret = randomBytes(32).toString("hex");
  const file = await open(join(dataDir, nextSecretFile), "w", 0o600);
  await file.writeFile(`${secret}\n`);
  await file.sync();
  await file.close();
  const folder = await open(dataDir);
  await folder.sync();
  await folder.close();
  return secret;
}

/** Encrypted values: their purpose, and the query that returns them with their encryption context. */
const ENCRYPTED_VALUES = [
  {
    purpose: purposes.totpSecret,
    find: "select user_id::text as context, sealed_secret as value from totp_secrets for update",
    put: "update totp_secrets set sealed_secret = $2 where user_id = $1::uuid",
  },
  {
    purpose: purposes.upstreamCredential,
    find: "select project_id::text as context, sealed as value from upstream_credentials for update",
    put: "update upstream_credentials set sealed = $2 where project_id = $1::uuid",
  },
  {
    purpose: purposes.runEnvironment,
    find: "select id::text as context, sealed_env as value from runs where sealed_env is not null for update",
    put: "update runs set sealed_env = $2 where id = $1::uuid",
  },
  {
    purpose: purposes.secretValue,
    find: "select owner_id || '/' || name as context, sealed as value from secrets for update",
    put: `update secrets set sealed = $2
      where owner_id = split_part($1, '/', 1)::uuid and name = split_part($1, '/', 2)`,
  },
  {
    purpose: purposes.webhookSecret,
    find: "select id::text as context, sealed_secret as value from webhooks for update",
    put: "update webhooks set sealed_secret = $2 where id = $1::uuid",
  },
  {
    purpose: purposes.webhookSecret,
    find: `select id::text as context, sealed_previous_secret as value from webhooks
      where sealed_previous_secret is not null for update`,
    put: "update webhooks set sealed_previous_secret = $2 where id = $1::uuid",
  },
  {
    purpose: purposes.webhookSecret,
    find: "select id::text as context, sealed_secret as value from notification_webhooks for update",
    put: "update notification_webhooks set sealed_secret = $2 where id = $1::uuid",
  },
  {
    purpose: purposes.forgeCredential,
    find: "select id::text as context, sealed as value from forges for update",
    put: "update forges set sealed = $2 where id = $1::uuid",
  },
  {
    purpose: purposes.forgeWebhookSecret,
    find: `select id::text as context, sealed_webhook_secret as value from forges
      where sealed_webhook_secret is not null for update`,
    put: "update forges set sealed_webhook_secret = $2 where id = $1::uuid",
  },
  {
    purpose: purposes.automationSecret,
    find: `select id::text as context, sealed_secret as value from automations
      where sealed_secret is not null for update`,
    put: "update automations set sealed_secret = $2 where id = $1::uuid",
  },
  {
    purpose: purposes.forgeCredential,
    find: `select forge_id::text as context, sealed as value from forge_handshakes
      where sealed is not null for update`,
    put: "update forge_handshakes set sealed = $2 where forge_id = $1::uuid and sealed is not null",
  },
] as const;

async function reencryptAll(
  { config, origin }: Installation,
  client: pg.PoolClient,
  next: string,
): Promise<Pick<Rotation, "encrypted" | "unreadable" | "sessions_ended">> {
  const counts = { encrypted: 0, unreadable: 0 };
  const reencrypt = (purpose: string, context: string, value: Buffer): Buffer | null => {
    const plain = decrypt(config.secret, purpose, context, value);
    counts[plain === null ? "unreadable" : "encrypted"] += 1;
    return plain && encrypt(next, purpose, context, plain);
  };
  await client.query("begin");
  try {
    const verificationKey = await readVerificationKey(client, config.secret);
    await writeVerificationKey(client, next, verificationKey);
    for (const { purpose, find, put } of ENCRYPTED_VALUES) {
      const { rows } = await client.query<{ context: string; value: Buffer }>(find);
      for (const { context, value } of rows) {
        const encrypted = reencrypt(purpose, context, value);
        if (encrypted !== null) await client.query(put, [context, encrypted]);
      }
    }
    await reencryptEmails(client, (value) => reencrypt(purposes.queuedMail, "", value));
    const ended = await client.query(
      "update sessions set revoked_at = now() where revoked_at is null and expires_at > now()",
    );
    await setRolePassword(client, config.databaseAppUrl, next);
    await recordInstallationEvent(drizzle(client) as Queryable, origin, {
      action: "secret.rotated",
      target: null,
      changes: {},
    });
    await client.query("commit");
    return { ...counts, sessions_ended: ended.rowCount ?? 0 };
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/** Re-encrypts pending email, and sent email that is kept for a while. */
async function reencryptEmails(
  client: pg.PoolClient,
  reencrypt: (value: Buffer) => Buffer | null,
): Promise<void> {
  for (const table of ["pgboss.job", "pgboss.archive"]) {
    const { rows } = await client.query<{ id: string; sealed: string }>(
      `select id, data ->> 'sealed' as sealed from ${table} where name = 'send-mail' and data ? 'sealed'`,
    );
    for (const { id, sealed } of rows) {
      const encrypted = reencrypt(Buffer.from(sealed, "base64url"));
      if (encrypted === null) continue;
      await client.query(
        `update ${table} set data = jsonb_set(data, '{sealed}', to_jsonb($2::text))
         where name = 'send-mail' and id = $1`,
        [id, encrypted.toString("base64url")],
      );
    }
  }
}

/** Sets the serving role's password, which is derived from the secret unless the operator chose it. */
async function setRolePassword(
  client: pg.PoolClient,
  appUrl: string | null,
  secret: string,
): Promise<void> {
  if (appUrl !== null) return;
  const password = createHmac("sha256", secret).update("postgresql role omoi_app").digest("hex");
  await client.query(`alter role omoi_app password '${password}'`);
}
