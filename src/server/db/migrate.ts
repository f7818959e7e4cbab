import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import type pg from "pg";
import type { Logger } from "pino";
import { systemRoles, type SystemRole } from "#shared/permissions.js";
import { ConfigError } from "#shared/node/config-error.js";
import type { Queryable } from "./queryable.js";
import { dumpBeforeMigration, recordServed } from "./dump.js";
import { requireOthersStopped } from "./other-servers.js";
import { prepareQueues } from "./queue-schema.js";

const folder = join(import.meta.dirname, "migrations");

/**
 * Migrates the database to this version: applies each file of `migrations/` once, in name order, each
 * in its own transaction, under a lock shared by all server processes.
 * @param appRole the serving role, which is granted access to the rows only
 * @param dumps folder for a dump made before a non-empty database is changed; null disables it
 * @param ownNode the id of this server's node
 * @throws ConfigError when the database was migrated by newer or other code, or is to be changed while other
 * servers use it
 */
export async function migrate(
  owner: pg.Client,
  appRole: string,
  log: Logger,
  dumps: string | null = null,
  ownNode: string | null = null,
): Promise<void> {
  await owner.query("select pg_advisory_lock(hashtext('omoi migrations'))");
  try {
    await owner.query(MIGRATIONS_TABLE);
    const applied = new Map(
      (
        await owner.query<{ name: string; checksum: string }>(
          "select name, checksum from schema_migrations",
        )
      ).rows.map((row) => [row.name, row.checksum]),
    );
    const files = await migrationNames();
    for (const name of applied.keys()) {
      if (!files.includes(name)) throw isNewer(name);
    }
    const next = files.find((name) => !applied.has(name));
    if (next !== undefined && applied.size > 0) await requireOthersStopped(owner, ownNode);
    const last = [...applied.keys()].toSorted().at(-1);
    if (next !== undefined && last !== undefined && dumps !== null) {
      const path = await dumpBeforeMigration({ last, next }, owner, dumps);
      if (path !== null) log.info({ path }, "dumped the database before its migration");
    }
    for (const name of files) {
      const { statements, checksum } = await readMigration(name);
      const before = applied.get(name);
      if (before === checksum) continue;
      if (before !== undefined) {
        throw new ConfigError(
          `The migration ${name} was changed after it was applied; start the version that applied it`,
        );
      }
      log.info({ migration: name }, "migrating the database");
      await owner.query("begin");
      try {
        await applyMigration(owner, { name, statements, checksum });
        await owner.query("commit");
      } catch (error) {
        await owner.query("rollback");
        throw failed(name, error);
      }
    }
    await writeSystemRoles(owner);
    await prepareQueues(owner);
    await grant(owner, appRole);
  } finally {
    await owner.query("select pg_advisory_unlock(hashtext('omoi migrations'))");
  }
}

const MIGRATIONS_TABLE = `create table if not exists schema_migrations (
  name text primary key, checksum text not null, applied_at timestamptz(3) not null default now())`;

interface Migration {
  name: string;
  statements: string;
  checksum: string;
}

async function readMigration(name: string): Promise<Migration> {
  const statements = await readFile(join(folder, name), "utf8");
  return { name, statements, checksum: createHash("sha256").update(statements).digest("hex") };
}

async function applyMigration(
  owner: pg.ClientBase,
  { name, statements, checksum }: Migration,
): Promise<void> {
  await owner.query(statements);
  await owner.query("insert into schema_migrations (name, checksum) values ($1, $2)", [
    name,
    checksum,
  ]);
}

/**
 * Replaces the tables of the database by the empty ones of an earlier version, in the transaction of the connection. The
 * tables of the job queue stay.
 * @param next the first migration that the earlier version does not have
 */
export async function createEarlierSchema(owner: pg.ClientBase, next: string): Promise<void> {
  await owner.query(DROP_OBJECTS);
  await owner.query(MIGRATIONS_TABLE);
  for (const name of await migrationNames()) {
    if (name < next) await applyMigration(owner, await readMigration(name));
  }
}

/** Objects of extensions stay. The owner of the database need not own the schema. */
const DROP_OBJECTS = `
do $$
declare
  command text;
begin
  for command in
    with own as (
      select c.oid, format('drop %s if exists %s cascade',
          case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
          c.oid::regclass) as command, 1 as position
        from pg_class c
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
      union all
      select p.oid, format('drop routine if exists %s cascade', p.oid::regprocedure), 2
        from pg_proc p where pronamespace = 'public'::regnamespace
      union all
      select t.oid, format('drop type if exists %s cascade', t.oid::regtype), 3
        from pg_type t
        where typnamespace = 'public'::regnamespace and typtype in ('e', 'd', 'r') and typelem = 0
    )
    select o.command from own o
    where not exists (select from pg_depend d where d.objid = o.oid and d.deptype in ('e', 'i', 'a'))
    order by position
  loop
    execute command;
  end loop;
end $$`;

/** Returns a failure of a migration as one line. */
function failed(name: string, error: unknown): unknown {
  const { code, message } = error as pg.DatabaseError;
  // Without a code of PostgreSQL, the connection was lost: another start may succeed.
  if (code === undefined) return error;
  return new ConfigError(
    `The migration ${name} failed: ${message.replaceAll(/\s+/g, " ")} (${code}). ` +
      "Nothing of it was applied; see docs/how-to/upgrade.md for the way back",
  );
}

/** Records in the folder of the dumps that a server of this version serves. */
export async function recordServing(dumps: string): Promise<void> {
  const newest = (await migrationNames()).at(-1);
  if (newest !== undefined) await recordServed(dumps, newest);
}

/**
 * Checks that the schema matches this version.
 * @throws ConfigError when it needs a migration or was migrated by another version
 */
export async function requireCurrentSchema(pool: pg.Pool): Promise<void> {
  const { rows } = await pool
    .query<{ name: string }>("select name from schema_migrations order by name")
    .catch(() => ({ rows: [] }));
  const files = await migrationNames();
  const applied = rows.map(({ name }) => name);
  if (files.join() === applied.join()) return;
  const isNewer = applied.some((name) => !files.includes(name));
  throw new ConfigError(
    isNewer
      ? "The database was migrated by a newer Omoi; use the command of that version"
      : "The database was written by an older Omoi; start this version once to migrate it",
  );
}

/**
 * Keeps other versions from migrating the database until the transaction ends, and checks that none has done so.
 * @throws ConfigError
 */
export async function keepSchema(tx: Queryable): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(hashtext('omoi migrations'))`);
  const { rows } = await tx.execute<{ name: string }>(sql`select name from schema_migrations`);
  const files = new Set(await migrationNames());
  const newer = rows.find(({ name }) => !files.has(name));
  if (newer) throw isNewer(newer.name);
}

function isNewer(name: string): ConfigError {
  return new ConfigError(
    `The database was migrated by a newer Omoi (${name}); start that version, or restore a backup`,
  );
}

/** Returns the names of this version's migrations in order. */
export async function migrationNames(): Promise<string[]> {
  return (await readdir(folder)).filter((file) => file.endsWith(".sql")).toSorted();
}

/** The ids of the system roles, identical in every installation. */
export const systemRoleIds: Record<SystemRole, string> = {
  owner: "00000000-0000-7000-8000-000000000001",
  admin: "00000000-0000-7000-8000-000000000002",
  member: "00000000-0000-7000-8000-000000000003",
  viewer: "00000000-0000-7000-8000-000000000004",
  agent_executor: "00000000-0000-7000-8000-000000000005",
};

/** Resets the system roles to their definition at every start. */
async function writeSystemRoles(owner: pg.Client): Promise<void> {
  for (const [name, role] of Object.entries(systemRoles)) {
    await owner.query(
      `insert into roles (id, org_id, name, description, permissions) values ($1, null, $2, $3, $4)
       on conflict (id) do update set description = excluded.description, permissions = excluded.permissions
       where (roles.description, roles.permissions) is distinct from (excluded.description, excluded.permissions)`,
      [systemRoleIds[name as SystemRole], name, role.description, role.permissions],
    );
  }
}

async function grant(owner: pg.Client, appRole: string): Promise<void> {
  const role = `"${appRole.replaceAll('"', '""')}"`;
  for (const schema of ["public", "pgboss"]) {
    await owner.query(`
      grant usage on schema ${schema} to ${role};
      grant select, insert, update, delete on all tables in schema ${schema} to ${role};
      grant usage, select on all sequences in schema ${schema} to ${role};
      grant execute on all functions in schema ${schema} to ${role};
      revoke insert, update, delete on schema_migrations from ${role};
      revoke update, delete on audit_events, installation_events from ${role};`);
  }
}
