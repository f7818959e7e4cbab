import { is, SQL, type Table } from "drizzle-orm";
import {
  boolean,
  getTableConfig,
  integer,
  PgDialect,
  PgTable,
  pgTable,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { clockTime, createdAt } from "./columns.js";
import * as identityTables from "./identity-tables.js";
import * as nodeTables from "./node-tables.js";
import * as runnerTables from "./node-tables.js";
import * as reviewTables from "./review-tables.js";
import * as forgeTables from "./forge-tables.js";
import * as automationTables from "./automation-tables.js";
import * as forgeEventTables from "./forge-event-tables.js";
import * as taskTables from "./task-tables.js";
import * as tables from "./tables.js";
import * as workspaceTables from "./workspace-tables.js";

/** Tables that only SQL texts and migrations use. */
const undeclared = [
  "api_key_permission_uses",
  "api_key_requests",
  "cache_leases",
  "idempotency_keys",
  "installation",
  "installation_events",
  "limit_states",
  "log_objects",
  "model_reservations",
  "model_spending",
  "model_usage",
  "notification_choices",
  "notification_deliveries",
  "notification_queue",
  "notification_webhooks",
  "notifications",
  "project_moves",
  "redacted_audit_targets",
  "schema_migrations",
];

interface Column {
  type: string;
  isNullable: boolean;
  /** Place in the primary key, from 1; null outside it. */
  key: number | null;
  /** A constant as JSON, an expression as its text, `identity` or `generated`; null without one. */
  default: string | null;
}
/** Columns by `table.column`. */
type Columns = Map<string, Column>;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const dialect = new PgDialect();

function declaredColumns(all: readonly Table[]): Columns {
  return new Map(
    all.flatMap((table) => {
      const { name, columns, primaryKeys } = getTableConfig(table as PgTable);
      const [composite] = primaryKeys;
      const key = (composite?.columns ?? columns.filter(({ primary }) => primary)).map(
        (column) => column.name,
      );
      return columns.map((column): [string, Column] => [
        `${name}.${column.name}`,
        {
          type: column.getSQLType().replace("timestamp (", "timestamp("),
          isNullable: !column.notNull,
          key: key.includes(column.name) ? key.indexOf(column.name) + 1 : null,
          default: column.generatedIdentity
            ? "identity"
            : column.generated
              ? "generated"
              : column.default === undefined
                ? null
                : is(column.default, SQL)
                  ? dialect.sqlToQuery(column.default).sql
                  : JSON.stringify(column.default),
        },
      ]);
    }),
  );
}

/** Reads the schema that the migrations made. */
async function migratedColumns(): Promise<Columns> {
  const rows = await queryAsOwner<Column & { name: string; expression: string | null }>(
    app,
    `select c.relname || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
       not a.attnotnull as "isNullable", array_position(k.conkey, a.attnum) as key,
       case when a.attidentity <> '' then 'identity' when a.attgenerated <> '' then 'generated'
         else pg_get_expr(d.adbin, d.adrelid) end as expression
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
     left join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
  );
  const constants = rows.filter(({ expression }) => expression !== null && isConstant(expression));
  const [values] = await queryAsOwner<{ values: unknown[] }>(
    app,
    `select array[${constants.map(({ expression }) => `to_jsonb(${expression})`).join()}] as values`,
  );
  const defaults = new Map(
    constants.map(({ name }, at) => [name, JSON.stringify(values?.values[at])]),
  );
  return new Map(
    rows.map(({ name, expression, ...column }) => [
      name,
      { ...column, default: defaults.get(name) ?? expression },
    ]),
  );
}

const isConstant = (expression: string): boolean =>
  !["identity", "generated"].includes(expression) && !expression.includes("(");

/** Describes each difference. A default of the database alone is none: an insert may rely on it in SQL. */
function differences(declared: Columns, migrated: Columns): string[] {
  const tablesOf = (columns: Columns): Set<string> =>
    new Set([...columns.keys()].map((name) => name.split(".")[0] as string));
  const [here, there] = [tablesOf(declared), tablesOf(migrated)];
  const missing = [...there]
    .filter((table) => !here.has(table) && !undeclared.includes(table))
    .map((table) => `${table} is not declared`);
  const names = [...new Set([...declared.keys(), ...migrated.keys()])].filter((name) =>
    here.has(name.split(".")[0] as string),
  );
  return missing.concat(
    names.flatMap((name) => {
      const [one, other] = [declared.get(name), migrated.get(name)];
      if (!one) return [`${name} is not declared`];
      if (!other) return [`${name} is not migrated`];
      return (["type", "isNullable", "key", "default"] as const)
        .filter(
          (what) => one[what] !== other[what] && !(what === "default" && one.default === null),
        )
        .map((what) => `${name}: ${what} is ${one[what]} as declared, ${other[what]} as migrated`);
    }),
  );
}

const all = Object.values({
  ...tables,
  ...identityTables,
  ...nodeTables,
  ...runnerTables,
  ...workspaceTables,
  ...reviewTables,
  ...forgeTables,
  ...forgeEventTables,
  ...automationTables,
  ...taskTables,
  ...automationTables,
}).filter((table) => is(table, PgTable));

test("the declared tables are those of the migrations", async () => {
  const migrated = await migratedColumns();
  expect(differences(declaredColumns(all), migrated)).toEqual([]);
  // No entry of the list is outdated.
  const names = new Set([...migrated.keys()].map((name) => name.split(".")[0]));
  expect(undeclared.filter((name) => !names.has(name))).toEqual([]);
});

test.each([
  ["type", { name: integer() }, "name: type is integer as declared, text as migrated"],
  [
    "nullability",
    { name: text().notNull() },
    "name: isNullable is false as declared, true as migrated",
  ],
  [
    "a default",
    { size: integer().notNull().default(8) },
    "size: default is 8 as declared, 7 as migrated",
  ],
  [
    "an expression",
    { made: clockTime() },
    "made: default is clock_timestamp() as declared, now() as migrated",
  ],
  ["an absent column", { extra: boolean() }, "extra is not migrated"],
])("a difference of %s is found", async (_what, column, expected) => {
  const plain = {
    id: uuid().primaryKey(),
    name: text(),
    size: integer().notNull().default(7),
    made: createdAt(),
  };
  await queryAsOwner(
    app,
    "create table sample (id uuid primary key, name text, size integer not null default 7, made timestamptz(3) not null default now())",
  );
  const migrated = new Map(
    [...(await migratedColumns())].filter(([name]) => name.startsWith("sample.")),
  );
  await queryAsOwner(app, "drop table sample");
  const found = (columns: typeof plain): string[] =>
    differences(declaredColumns([pgTable("sample", columns)]), migrated);
  expect(found(plain)).toEqual([]);
  expect(found({ ...plain, ...column } as typeof plain)).toEqual([`sample.${expected}`]);
});

test("a difference of keys, columns and tables is found", async () => {
  const migrated = await migratedColumns();
  const fewer = all.filter((table) => table !== identityTables.rateLimits);
  expect(differences(declaredColumns(fewer), migrated)).toEqual(["rate_limits is not declared"]);
  const slugs = pgTable("organization_slugs", { org_id: uuid().notNull() });
  const others = all.filter((table) => table !== tables.organizationSlugs);
  expect(differences(declaredColumns([...others, slugs]), migrated)).toEqual([
    "organization_slugs.slug is not declared",
  ]);
  const keyed = pgTable(
    "organization_slugs",
    { slug: text().notNull(), org_id: uuid().notNull() },
    (table) => [primaryKey({ columns: [table.org_id, table.slug] })],
  );
  expect(differences(declaredColumns([...others, keyed]), migrated)).toEqual([
    "organization_slugs.slug: key is 2 as declared, 1 as migrated",
    "organization_slugs.org_id: key is 1 as declared, null as migrated",
  ]);
});
