import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import type { Config } from "../config/config.js";
import { nextSecretFile, secretFile } from "../data-folder/data-folder.js";
import { connectWithSessions } from "../db/connection/try-connection.js";
import type { ServerConfig } from "../db/hosts/database-client.js";
import { matchesSecret } from "../db/installation.js";

/**
 * Completes or reverts an interrupted rotation of the secret and returns the secret to use: the
 * database shows which of the two encrypted it. Takes the rotation lock.
 */
export async function recoverSecret(
  { dataDir, secret }: Pick<Config, "dataDir" | "secret">,
  client: pg.ClientBase,
): Promise<string> {
  return withRotationLock(client, async () => {
    const next = readSecretFile(dataDir, nextSecretFile);
    if (next !== null && (await matchesSecret(client, next)) === true) {
      // A secret from OMOI_SECRET is managed by the operator.
      if (readSecretFile(dataDir, secretFile) !== secret) return secret;
      await promoteNextSecret(dataDir);
      return next;
    }
    if ((await matchesSecret(client, secret)) === true) {
      rmSync(join(dataDir, nextSecretFile), { force: true });
    }
    return secret;
  });
}

/** Like `recoverSecret`, at startup; connects to the database only after an interrupted rotation. */
export async function recoverSecretAtStart(
  config: Pick<Config, "dataDir" | "secret">,
  owner: ServerConfig,
): Promise<string> {
  if (!existsSync(join(config.dataDir, nextSecretFile))) return config.secret;
  const client = await connectWithSessions(
    { ...owner, options: "-c app.system=on" },
    "OMOI_DATABASE_URL",
  );
  try {
    return await recoverSecret(config, client);
  } finally {
    await client.end();
  }
}

/** Runs work while no rotation of the secret and no migration is running. */
export async function withRotationLock<Result>(
  client: pg.ClientBase,
  work: () => Promise<Result>,
): Promise<Result> {
  await client.query("select pg_advisory_lock(hashtext('omoi migrations'))");
  try {
    return await work();
  } finally {
    await client.query("select pg_advisory_unlock(hashtext('omoi migrations'))");
  }
}

/** Replaces the secret by the next one, durably. */
export async function promoteNextSecret(dataDir: string): Promise<void> {
  renameSync(join(dataDir, nextSecretFile), join(dataDir, secretFile));
  const folder = await open(dataDir);
  await folder.sync();
  await folder.close();
}

/** Returns the secret in a file of the data folder, or null when the file does not exist. */
export function readSecretFile(dataDir: string, name: string): string | null {
  const path = join(dataDir, name);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : null;
}
