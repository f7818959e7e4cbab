import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import { pino } from "pino";
import { publicUrlOf, type Config } from "../config/config.js";
import { addressFromUrl } from "../db/connection/address.js";
import type { Queryable } from "../db/connection/connect.js";
import { listenForChanges } from "../db/cache/changes.js";
import { DatabasePool, type ServerConfig } from "../db/hosts/database-client.js";
import { readVerificationKey } from "../db/installation.js";
import type { InstallationOrigin } from "../db/audit/installation-audit.js";
import { requireCurrentSchema } from "../db/migrate.js";
import { systemChange } from "../db/connection/system-change.js";
import { systemOrigin } from "../db/audit/audit.js";
import { withOwnerAddress } from "./offline-database.js";
import { recoverSecret } from "./recover-secret.js";
import type { AdminContext } from "../features/identity/people/index.js";

/**
 * An operator's access to an installation's database, as its owner, whether or not the server is
 * running.
 */
export interface Installation {
  readonly config: Config;
  /** Connections that see all organizations. */
  readonly pool: pg.Pool;
  readonly db: Queryable;
  readonly origin: InstallationOrigin;
  /** Whether a server is running on the database. */
  isServed(): Promise<boolean>;
  /**
   * Returns the dependencies of user administration.
   * @throws ConfigError when the secret differs
   */
  adminContext(): Promise<AdminContext>;
}

/**
 * Opens the database of an installation for `work`.
 * @param operator name of the acting operator in the installation's log
 * @throws ConfigError when no database exists, or another version wrote it
 */
export function withInstallation<Result>(
  config: Config,
  operator: string,
  work: (installation: Installation) => Promise<Result>,
): Promise<Result> {
  return withOwnerAddress(config, (address) => withInstallationAt(config, address, operator, work));
}

/** Like `withInstallation`, at the address of the database's owner. */
export async function withInstallationAt<Result>(
  config: Config,
  address: ServerConfig,
  operator: string,
  work: (installation: Installation) => Promise<Result>,
): Promise<Result> {
  const pool = new DatabasePool({
    ...address,
    max: 4,
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it
    onConnect: async (client) => {
      await client.query("set timezone to 'UTC'; set app.system to 'on'");
    },
  });
  pool.on("error", () => {});
  try {
    await requireCurrentSchema(pool);
    const client = await pool.connect();
    const secret = await recoverSecret(config, client).finally(() => client.release());
    return await work(installationOn({ ...config, secret }, { address, pool }, operator));
  } finally {
    await pool.end();
  }
}

/** Whether a server is connected to the database. */
export async function isServed(
  db: Pick<pg.ClientBase, "query">,
  { databaseAppUrl }: Config,
): Promise<boolean> {
  const role = databaseAppUrl && addressFromUrl(databaseAppUrl, "OMOI_DATABASE_APP_URL").user;
  const { rows } = await db.query(
    `select from pg_stat_activity where datname = current_database()
      and usesysid = (select oid from pg_roles where rolname = $1) limit 1`,
    [role ?? "omoi_app"],
  );
  return rows.length > 0;
}

function installationOn(
  config: Config,
  { address, pool }: { address: ServerConfig; pool: pg.Pool },
  operator: string,
): Installation {
  const origin: InstallationOrigin = {
    actor: { operator },
    ip: null,
    requestId: null,
  };
  return {
    config,
    pool,
    db: drizzle(pool) as Queryable,
    origin,
    isServed: () => isServed(pool, config),
    adminContext: async () => {
      const client = await pool.connect();
      try {
        return {
          origin,
          change: async (work) => {
            const result = await systemChange(pool, systemOrigin, work);
            await syncServers(address, pool);
            return result;
          },
          verificationKey: await readVerificationKey(client, config.secret),
          publicUrl: publicUrlOf(config, config.port),
        };
      } finally {
        client.release();
      }
    },
  };
}

/** Waits until every server process has received the changes, or may no longer answer from its caches. */
async function syncServers(address: ServerConfig, pool: pg.Pool): Promise<void> {
  const log = pino({ level: "silent" });
  const changes = await listenForChanges(address, { requests: pool, proofs: pool }, log);
  try {
    await changes.syncAll();
  } finally {
    await changes.close();
  }
}
