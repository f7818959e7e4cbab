import type pg from "pg";
import { systemRoleIds } from "#server/db/migrate.js";

/** Tables that grow with every organization; scanning them becomes slower over time. */
export const growingTables = [
  "organizations",
  "organization_slugs",
  "memberships",
  "users",
  "api_keys",
] as const;

/**
 * Fills a database, as its owner, with organizations of ten members each; each person has a key and
 * is in the same number of organizations. @param people a multiple of 10, at least 1000
 */
export async function insertOrganizations(
  client: pg.ClientBase,
  organizations: number,
  people: number,
): Promise<void> {
  // No process needs notifications about these initial rows.
  await switchTriggers(client, "disable");
  await client.query(
    `insert into users (id, email, full_name)
     select ${bulkId("person", "n")}, format('crowd-%s@example.com', n), 'Person ' || n
     from generate_series(0, $1::int - 1) n`,
    [people],
  );
  await client.query(
    `insert into organizations (id, name, slug, owner_id)
     select ${bulkId("organization", "n")}, 'Crowd ' || n, 'crowd-' || n, ${bulkId("person", "n % $2")}
     from generate_series(0, $1::int - 1) n`,
    [organizations, people],
  );
  await client.query(
    `insert into organization_slugs (slug, org_id)
     select 'crowd-' || n, ${bulkId("organization", "n")} from generate_series(0, $1::int - 1) n`,
    [organizations],
  );
  // The squares give every organization different members.
  await client.query(
    `insert into memberships (id, org_id, user_id, role_id)
     select gen_random_uuid(), ${bulkId("organization", "n")},
       ${bulkId("person", "(n + place * $2::int / 10 + place * place) % $2::int")},
       case place when 0 then $3::uuid else $4::uuid end
     from generate_series(0, $1::int - 1) n, generate_series(0, 9) place`,
    [organizations, people, systemRoleIds.owner, systemRoleIds.member],
  );
  await client.query(
    `insert into api_keys (id, user_id, created_by, name, key_hash, key_prefix, key_hint, scopes)
     select gen_random_uuid(), ${bulkId("person", "n")}, ${bulkId("person", "n")}, 'Key', sha256(convert_to('key ' || n, 'UTF8')),
       'crowd', 'crowd', '{*:*}'
     from generate_series(0, $1::int - 1) n`,
    [people],
  );
  await switchTriggers(client, "enable");
  // Like a database that has been in use for a while.
  await client.query("vacuum (freeze, analyze)");
}

async function switchTriggers(client: pg.ClientBase, to: "disable" | "enable"): Promise<void> {
  for (const table of growingTables) await client.query(`alter table ${table} ${to} trigger user`);
}

/** Ids that look random and can be computed from a number. */
export function bulkId(kind: "person" | "organization", number: string): string {
  return `md5('${kind} ' || (${number}))::uuid`;
}
