import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import type { Config } from "../config/config.js";
import { nextSecretFile, secretFile } from "../data-folder/data-folder.js";
import { matchesSecret } from "../db/installation.js";

/**
 * Finishes or undoes a rotation of the secret that was cut off, and returns the secret to go on with: the
 * database tells which of the two it was written under. Holds the lock that rotations hold.
 */
export async function recoverSecret(
  { dataDir, secret }: Pick<Config, "dataDir" | "secret">,
  client: pg.ClientBase,
): Promise<string> {
  return whileNoRotation(client, async () => {
    const next = readSecretFile(dataDir, nextSecretFile);
    if (next !== null && (await matchesSecret(client, next)) === true) {
      // The secret of OMOI_SECRET is the operator's to change.
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

/** As `recoverSecret`, for a start; it looks at the database only where a rotation was cut off. */
export async function recoverSecretAtStart(
  config: Pick<Config, "dataDir" | "secret">,
  owner: pg.ClientConfig,
): Promise<string> {
  if (!existsSync(join(config.dataDir, nextSecretFile))) return config.secret;
  const client = new pg.Client({ ...owner, options: "-c app.system=on" });
  await client.connect();
  try {
    return await recoverSecret(config, client);
  } finally {
    await client.end();
  }
}

/** Runs work while neither a rotation of the secret nor a migration runs. */
export async function whileNoRotation<Result>(
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

/** Puts the next secret in the place of the secret, on the disk when this returns. */
export async function promoteNextSecret(dataDir: string): Promise<void> {
  renameSync(join(dataDir, nextSecretFile), join(dataDir, secretFile));
  const folder = await open(dataDir);
  await folder.sync();
  await folder.close();
}

/** The secret that a file of the data folder holds; null where it is not there. */
export function readSecretFile(dataDir: string, name: string): string | null {
  const path = join(dataDir, name);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : null;
}
