/** The serving role: it owns nothing and is bound by row-level security. */
import { createHmac, randomInt, randomUUID } from "node:crypto";
import pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import { servingAddress, type DatabaseAddress, type ServingAddress } from "./address.js";
import { beginSystem } from "./system-pool.js";
import { connectOrExplain, connectWithSessions, isPooled, reason } from "./try-connection.js";

const appRole = "omoi_app";

/**
 * Returns the addresses of the serving role. When no address names a role, `omoi_app` is created, with
 * a password derived from the secret.
 * @throws ConfigError when the role cannot be created
 */
export async function ensureServingRole(
  owner: pg.Client,
  address: DatabaseAddress,
  secret: string,
): Promise<ServingAddress> {
  const password = createHmac("sha256", secret).update("postgresql role omoi_app").digest("hex");
  if (address.app === null) await makeRole(owner, password, address.isOwn ?? false);
  return servingAddress(address, { user: appRole, password });
}

async function makeRole(owner: pg.Client, password: string, isOwn: boolean): Promise<void> {
  try {
    await owner.query(
      `create role ${appRole} login nosuperuser nobypassrls nocreatedb nocreaterole password '${password}'`,
    );
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "42501") {
      throw new ConfigError(
        "The role of OMOI_DATABASE_URL cannot create roles; grant it CREATEROLE, or set OMOI_DATABASE_APP_URL to a second, unprivileged role",
      );
    }
    // 42710: the role exists; 23505: two first starts ran concurrently.
    if (code !== "42710" && code !== "23505") throw error;
    if (isOwn) await owner.query(`alter role ${appRole} password '${password}'`);
  }
}

/**
 * Connects as the serving role, to check its privileges.
 * @throws ConfigError when it cannot sign in
 */
export async function connectServing(
  { transactions }: ServingAddress,
  { app, pooler }: DatabaseAddress,
): Promise<pg.Client> {
  if (app !== null) return connectOrExplain(transactions, "OMOI_DATABASE_APP_URL");
  try {
    return await connectOrExplain(transactions, "OMOI_DATABASE_URL");
  } catch (error) {
    const cure = pooler
      ? "add this role to the pooler, or set OMOI_DATABASE_APP_URL to a role the pooler knows"
      : "another installation created it with another secret: use that OMOI_SECRET, or set OMOI_DATABASE_APP_URL";
    throw new ConfigError(
      `The database role ${appRole} cannot sign in (${reason((error as Error).cause)}); ${cure}`,
    );
  }
}

/**
 * Checks that the serving role can sign in where sessions last.
 * @param variable the setting of that address
 * @throws ConfigError when it cannot, or a pooler gives it no session
 */
export async function checkSessions(
  { transactions, sessions }: ServingAddress,
  variable: string,
): Promise<void> {
  const { host, port, hosts } = transactions;
  if (host === sessions.host && port === sessions.port && hosts === sessions.hosts) return;
  try {
    await (await connectWithSessions(sessions, variable)).end();
  } catch (error) {
    const { cause } = error as Error;
    if (cause === undefined) throw error;
    throw new ConfigError(
      `The database role ${String(sessions.user)} cannot sign in at the address of ${variable} (${reason(cause)}), where Omoi listens for changes; allow it there, or set OMOI_DATABASE_DIRECT_URL to an address of PostgreSQL itself at which the owner and this role can sign in`,
    );
  }
}

/**
 * Checks that the serving role sees the owner's database, is bound by row-level security, and keeps
 * settings for a whole transaction.
 * @returns whether named prepared statements survive into later transactions
 * @throws ConfigError naming the cure
 */
export async function checkServing(
  owner: pg.Client,
  serving: pg.Client,
  variable: string,
): Promise<boolean> {
  const role = String(serving.user);
  const privilege = await findPrivilege(serving);
  if (privilege !== null) throw new ConfigError(privilege);
  const key = randomInt(2 ** 47);
  await owner.query("select pg_advisory_lock($1)", [key]);
  try {
    await serving.query(beginSystem);
    const { rows } = await serving.query<{ own: boolean; system: boolean; seen: boolean }>(
      `select pg_try_advisory_xact_lock($1) as own, app_is_system() as system,
         exists(select from organizations) as seen`,
      [key],
    );
    if (rows[0]?.own) throw otherDatabase(variable);
    const { rows: all } = await owner.query("select from organizations limit 1");
    if (!rows[0]?.system || (all.length > 0 && !rows[0].seen)) {
      throw new ConfigError(
        `The role ${role} sees no rows because the settings of a transaction are lost; set pool_mode of the pooler in ${variable} to transaction or session, or connect to PostgreSQL directly`,
      );
    }
    const keepsPrepared = !(await isPooled(serving)) || (await keepsPreparedByName(serving));
    await serving.query("rollback");
    return keepsPrepared;
  } catch (error) {
    const { code } = error as { code?: string };
    // undefined_function, undefined_table
    if (code === "42883" || code === "42P01") throw otherDatabase(variable);
    if (!(error instanceof pg.DatabaseError)) throw error;
    throw new ConfigError(
      `The database fails for the role ${role} (${reason(error)}); point ${variable} to PostgreSQL directly, or to a pooler in transaction or session mode`,
    );
  } finally {
    await owner.query("select pg_advisory_unlock($1)", [key]);
  }
}

function otherDatabase(variable: string): ConfigError {
  return new ConfigError(
    `${variable} points to another database than the owner's address; all addresses must name the same database of the same PostgreSQL`,
  );
}

/**
 * Returns why the role of a connection is not bound by row-level security, as a sentence that names the cure; null if
 * it is. Superusers and BYPASSRLS roles bypass it, and an owner can disable it.
 */
export async function findPrivilege(serving: Pick<pg.Pool, "query">): Promise<string | null> {
  const { rows } = await serving.query<{ role: string; privileged: boolean; owner: string | null }>(
    `select rolname as role, rolsuper or rolbypassrls as privileged,
       (select pg_get_userbyid(c.relowner) from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and pg_has_role(c.relowner, 'usage') limit 1) as owner
     from pg_roles where rolname = current_user`,
  );
  const [found] = rows;
  if (found?.privileged ?? true) {
    return `The database role ${found?.role} can bypass row-level security; set OMOI_DATABASE_APP_URL to a role without SUPERUSER and BYPASSRLS`;
  }
  if (found?.owner != null) {
    return `The database role ${found.role} owns the tables and could disable their row-level security; set OMOI_DATABASE_APP_URL to a separate role that is not a member of ${found.owner}`;
  }
  return null;
}

/**
 * Whether named prepared statements are safe behind the pooler. A pooler that forwards names unchanged
 * mixes up its clients' statements.
 */
async function keepsPreparedByName(serving: pg.Client): Promise<boolean> {
  const name = `omoi ${randomUUID()}`;
  await serving.query({ name, text: "select" });
  const { rows } = await serving.query("select from pg_prepared_statements where name = $1", [
    name,
  ]);
  if (rows.length > 0) await serving.query(`deallocate "${name}"`);
  return rows.length === 0;
}
