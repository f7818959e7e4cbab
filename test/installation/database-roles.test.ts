import { randomBytes } from "node:crypto";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { addressFromUrl, type DatabaseAddress } from "#server/db/connection/address.js";
import { openDatabase } from "#server/db/connection/connect.js";

const log = pino({ level: "silent" });
/** A unique name for roles and databases of the whole cluster. */
const name = `roles_${randomBytes(6).toString("hex")}`;
const other = `${name}_other`;
const roles = ["owner", "app", "super"].map((kind) => `${name}_${kind}`);
const [owner, app, superuser] = roles as [string, string, string];

describe("roles of an operator's database", () => {
  let admin: pg.Client;
  beforeAll(async () => {
    admin = new pg.Client({ ...inject("cluster").admin, database: "postgres" });
    await admin.connect();
    // As documented for an owner that may not create roles.
    await admin.query(`create role ${owner} login password 'secret'`);
    await admin.query(`create role ${app} login password 'secret'`);
    await admin.query(`create role ${superuser} login superuser password 'secret'`);
    await admin.query(`create database ${name} owner ${owner}`);
    await admin.query(`create database ${other} owner ${owner}`);
  });
  afterAll(async () => {
    for (const database of [name, other]) await admin.query(`drop database ${database}`);
    for (const role of roles) await admin.query(`drop role ${role}`);
    await admin.end();
  });

  const as = (user: string, database = name): pg.ClientConfig => ({
    ...inject("cluster").admin,
    user,
    password: "secret",
    database,
  });
  const refused = async (address: DatabaseAddress): Promise<string> =>
    openDatabase(address, "a secret", log).then(
      async (db) => {
        await db.close();
        throw new Error("it was opened");
      },
      (error: Error) => `${error.name}: ${error.message}`,
    );

  test("an owner without CREATEROLE serves by a second role", async () => {
    for (let start = 0; start < 2; start += 1) {
      const db = await openDatabase({ owner: as(owner), app: as(app) }, "a secret", log);
      const { rows } = await db.systemPool.query(
        "select current_user as role, app_is_system() as s",
      );
      expect(rows).toEqual([{ role: app, s: true }]);
      await db.close();
    }
  });

  test("rejects an owner without CREATEROLE and without a second role", async () => {
    // The tests' cluster may have the role already, with another installation's password.
    expect(await refused({ owner: as(owner), app: null })).toMatch(
      /^ConfigError: .*OMOI_DATABASE_APP_URL/,
    );
  });

  test.each([
    ["the owner itself", owner, /owns the tables/],
    ["a superuser", superuser, /can bypass row-level security/],
  ])("rejects %s as the serving role", async (_what, role, reason) => {
    const said = await refused({ owner: as(owner), app: as(role) });
    expect(said).toMatch(/^ConfigError: .*OMOI_DATABASE_APP_URL/);
    expect(said).toMatch(reason);
  });

  test("rejects a serving role that does not exist or uses another database", async () => {
    expect(await refused({ owner: as(owner), app: as(`${name}_nobody`) })).toMatch(
      /^ConfigError: .*OMOI_DATABASE_APP_URL/,
    );
    const elsewhere = { owner: as(owner), app: as(app, other) };
    expect(await refused(elsewhere)).toMatch(
      /^ConfigError: .*same database of the same PostgreSQL/,
    );
    // As with a database that another installation has migrated.
    const db = await openDatabase({ owner: as(owner, other), app: as(app, other) }, "b", log);
    await db.close();
    expect(await refused(elsewhere)).toMatch(
      /^ConfigError: .*same database of the same PostgreSQL/,
    );
  });

  test("rejects an owner without privileges to create", async () => {
    expect(await refused({ owner: as(app), app: as(app) })).toMatch(
      /^ConfigError: .*alter database/,
    );
  });
});

test("applies the parameters of a URL to every role that connects by it", () => {
  const { ssl, host, user } = addressFromUrl("postgres://a:b@db.example.com/omoi?sslmode=require");
  expect({ ssl, host, user }).toEqual({ ssl: {}, host: "db.example.com", user: "a" });
  const unverified = addressFromUrl("postgres://a:b@db.example.com/omoi?sslmode=no-verify");
  expect(unverified.ssl).toEqual({ rejectUnauthorized: false });
  expect(() =>
    addressFromUrl("postgres://a@h/d?sslrootcert=/no/such", "OMOI_DATABASE_URL"),
  ).toThrow(/^OMOI_DATABASE_URL cannot be used .*\/no\/such/);
});
