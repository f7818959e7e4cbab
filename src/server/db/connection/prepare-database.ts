import type pg from "pg";
import type { Logger } from "pino";
import { ConfigError } from "#shared/node/config-error.js";
import type { ServerConfig } from "../hosts/database-client.js";
import { checkSecret, openVerificationKey } from "../installation.js";
import { migrate } from "../migrate.js";
import type { DatabaseAddress, ServingAddress } from "./address.js";
import { checkServing, checkSessions, connectServing, ensureServingRole } from "./serving-role.js";
import { connectOrExplain, requireSessions } from "./try-connection.js";

/** A database that can be served. */
interface PreparedDatabase {
  serving: ServingAddress;
  /** Whether connections keep prepared statements. */
  keepsPrepared: boolean;
  verificationKey: string;
}

/** Migrates as the owner, and checks the unprivileged serving role. @throws ConfigError */
export async function prepareDatabase(
  address: DatabaseAddress,
  secret: string,
  log: Logger,
  dumps: string | null,
  nodeId: string | null,
): Promise<PreparedDatabase> {
  const variable = address.pooler ? "OMOI_DATABASE_DIRECT_URL" : "OMOI_DATABASE_URL";
  const owner = await connectOwner(address.owner, variable);
  let serving: ServingAddress;
  let keepsPrepared: boolean;
  let verificationKey: string;
  try {
    await checkSecret(owner, secret);
    serving = await ensureServingRole(owner, address, secret);
    const probe = await connectServing(serving, address);
    try {
      await checkSessions(serving, variable);
      await migrate(owner, String(probe.user), log, dumps, nodeId);
      verificationKey = await openVerificationKey(owner, secret);
      const { app } = address;
      const served = app === null ? "OMOI_DATABASE_URL" : "OMOI_DATABASE_APP_URL";
      keepsPrepared = await checkServing(owner, probe, served);
    } finally {
      await probe.end();
    }
  } finally {
    await owner.end();
  }
  if (!keepsPrepared) {
    log.warn(
      "the pooler does not support prepared statements, so every query is planned again; set max_prepared_statements in PgBouncer 1.21 or newer",
    );
  }
  return { serving, keepsPrepared, verificationKey };
}

/**
 * Connects as the owner.
 * @throws ConfigError when this PostgreSQL or this role cannot be used
 */
async function connectOwner(config: ServerConfig, variable: string): Promise<pg.Client> {
  const owner = await connectOrExplain(config, variable);
  try {
    const { rows } = await owner.query<{ version: string; isStandby: boolean; mayCreate: boolean }>(
      `select current_setting('server_version_num') as version,
         pg_is_in_recovery() as "isStandby",
         has_database_privilege(current_database(), 'create')
           and has_schema_privilege('public', 'create') as "mayCreate"`,
    );
    const major = Math.floor(Number(rows[0]?.version) / 10_000);
    if (major < 15) {
      throw new ConfigError(
        `The database is PostgreSQL ${major}; point ${variable} to version 15 or newer`,
      );
    }
    if (rows[0]?.isStandby) {
      throw new ConfigError(
        `The database is a read-only standby; point ${variable} to the primary`,
      );
    }
    await requireSessions(owner, config);
    if (!rows[0]?.mayCreate) {
      throw new ConfigError(
        `The role ${owner.user} cannot create tables; make it the owner: alter database ${owner.database} owner to ${owner.user}`,
      );
    }
    await owner.query("set timezone to 'UTC'; set app.system to 'on'");
    return owner;
  } catch (error) {
    await owner.end();
    throw error;
  }
}
