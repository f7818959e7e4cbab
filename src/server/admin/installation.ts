import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { publicUrlOf, type Config } from "../config/config.js";
import { addressFromUrl } from "../db/connection/address.js";
import type { Queryable } from "../db/connection/connect.js";
import { readVerificationKey } from "../db/installation.js";
import type { InstallationOrigin } from "../db/audit/installation-audit.js";
import { requireCurrentSchema } from "../db/migrate.js";
import { systemChange } from "../db/connection/system-change.js";
import { systemOrigin } from "../db/audit/audit.js";
import { withOwnerAddress } from "./offline-database.js";
import { recoverSecret } from "./recover-secret.js";
import type { AdminContext } from "../features/people/index.js";

/** The database of an installation, for an operator: as its owner, whether the server runs or not. */
export interface Installation {
  readonly config: Config;
  /** Its connections see all organizations. */
  readonly pool: pg.Pool;
  readonly db: Queryable;
  readonly origin: InstallationOrigin;
  /** Whether a server serves it at this moment. */
  isServed(): Promise<boolean>;
  /** What acts on users need. @throws ConfigError where the secret is another one */
  adminContext(): Promise<AdminContext>;
}

/**
 * Opens the database of an installation for `work`.
 * @param operator what the log of the installation calls whoever acts
 * @throws ConfigError where there is no database, or it was written by another version
 */
export function withInstallation<Result>(
  config: Config,
  operator: string,
  work: (installation: Installation) => Promise<Result>,
): Promise<Result> {
  return withOwnerAddress(config, async (address) => {
    const pool = new pg.Pool({
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
      return await work(installationOn({ ...config, secret }, pool, operator));
    } finally {
      await pool.end();
    }
  });
}

function installationOn(config: Config, pool: pg.Pool, operator: string): Installation {
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
    isServed: async () => {
      const role =
        config.databaseAppUrl &&
        addressFromUrl(config.databaseAppUrl, "OMOI_DATABASE_APP_URL").user;
      const { rows } = await pool.query(
        `select from pg_stat_activity where datname = current_database()
          and usesysid = (select oid from pg_roles where rolname = $1) limit 1`,
        [role ?? "omoi_app"],
      );
      return rows.length > 0;
    },
    adminContext: async () => {
      const client = await pool.connect();
      try {
        return {
          origin,
          change: (work) => systemChange(pool, systemOrigin, work),
          verificationKey: await readVerificationKey(client, config.secret),
          publicUrl: publicUrlOf(config, config.port),
        };
      } finally {
        client.release();
      }
    },
  };
}
