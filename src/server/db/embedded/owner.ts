/** The owner of the embedded database: an unprivileged role, bound by row-level security. */
import type pg from "pg";

/** May create roles and owns the database, like the configured role of an external PostgreSQL. */
export const OWNER = "omoi_owner";

/**
 * Creates the owner and gives it the database, with everything an earlier version created there as
 * superuser. Does nothing when it already owns the database.
 * @param superuser a session in that database
 */
export async function makeOwner(superuser: pg.Client): Promise<void> {
  const { rows } = await superuser.query(
    "select from pg_database where datname = current_database() and datdba = to_regrole($1)",
    [OWNER],
  );
  if (rows.length > 0) return;
  // One transaction: after an interruption, the next start repeats all of it.
  await superuser.query(`begin; ${GIVE_DATABASE} commit`);
}

/** The superuser created the serving role; only a role's administrator may change its password. */
const GIVE_DATABASE = `
do $$
declare
  command text;
begin
  if to_regrole('${OWNER}') is null then
    create role ${OWNER} login createrole;
  end if;
  if to_regrole('omoi_app') is not null then
    grant omoi_app to ${OWNER} with admin option;
  end if;
  for command in
    with own_schemas as (
      select oid, nspname from pg_namespace
      where nspname !~ '^pg_' and nspname <> 'information_schema'
    )
    select format('alter schema %I owner to ${OWNER}', nspname) from own_schemas
      where nspname <> 'public'
    union all
    select format('alter %s %s owner to ${OWNER}',
        case relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view'
          else 'table' end,
        c.oid::regclass)
      from pg_class c join own_schemas s on s.oid = relnamespace
      where relkind in ('r', 'p', 'v', 'm')
        or (relkind = 'S' and not exists (
          select from pg_depend where objid = c.oid and deptype in ('a', 'i')))
    union all
    select format('alter routine %s owner to ${OWNER}', p.oid::regprocedure)
      from pg_proc p join own_schemas s on s.oid = pronamespace
    union all
    select format('alter type %s owner to ${OWNER}', t.oid::regtype)
      from pg_type t join own_schemas s on s.oid = typnamespace
      where typtype in ('e', 'd', 'r') and typelem = 0
  loop
    execute command;
  end loop;
  execute format('alter database %I owner to ${OWNER}', current_database());
end $$;`;
