import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";
import { makeOrganization } from "../support/fixtures/factories.js";
import { makeServiceAccount } from "../support/fixtures/service-accounts.js";
import { queryAsAdmin, databaseUrlOf } from "../support/database/queries.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

const times = 300;
/** The listening connections are cut regularly, and a process is killed and replaced less often. */
const deafEvery = times / 20;
const killEvery = times / 4;

describe("three server processes on one PostgreSQL", () => {
  /** Provides the database and the signing-in person; not one of the processes under test. */
  let app: TestApp;
  let owner: TestPerson;
  const servers: { process: ServerProcess; url: string }[] = [];

  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    servers.push(...(await Promise.all([1, 2, 3].map(start))));
  });
  afterAll(async () => {
    for (const { process } of servers) process.process.kill("SIGTERM");
    await Promise.all(servers.map(({ process }) => process.ended));
  });

  async function start(): Promise<{ process: ServerProcess; url: string }> {
    const process = startServer({
      OMOI_DATABASE_URL: databaseUrlOf(app),
      OMOI_SECRET: app.config.secret,
      OMOI_DATA_DIR: app.dataDir,
    });
    return { process, url: await process.ready };
  }

  const clients = (token: string): Client[] => servers.map(({ url }) => clientOf(url, token));

  test("no process accepts a key after its revocation was answered", async () => {
    for (let round = 1; round <= times; round += 1) {
      const by = clients(owner.token)[round % 3] as Client;
      const { data } = await by.apiKeys.create({ body: { name: "short-lived" } });
      const holders = clients(data.key as string);
      // All have cached it now.
      const seen = await Promise.all(holders.map((holder) => holder.auth.me()));
      expect(seen.map(({ data: { id } }) => id)).toEqual([owner.id, owner.id, owner.id]);
      if (round % deafEvery === 0) await deafen();
      await by.apiKeys.revoke({ params: { key_id: data.id } });
      await Promise.all(
        holders.map((holder) => expectProblem(holder.auth.me(), 401, "invalid_token")),
      );
      if (round % killEvery === 0) await replace(round % 3);
    }
  }, 300_000);

  test("no process accepts a key of a service account that is deactivated", async () => {
    const org = await makeOrganization(owner);
    for (let round = 1; round <= times / 4; round += 1) {
      const robot = await makeServiceAccount(app, owner, org.id);
      const by = clients(owner.token)[round % 3] as Client;
      const holders = clients(robot.key);
      const params = { org_id: org.id, service_account_id: robot.account.id };
      const works = async () => {
        const seen = await Promise.all(holders.map((holder) => holder.organizations.list()));
        expect(seen.map(({ data }) => data.length)).toEqual([1, 1, 1]);
      };
      await works();
      if (round % deafEvery === 0) await deafen();
      await by.serviceAccounts.update({ params, body: { is_active: false } });
      const refused = () =>
        Promise.all(
          holders.map((holder) => expectProblem(holder.organizations.list(), 401, "invalid_token")),
        );
      await refused();
      await by.serviceAccounts.update({ params, body: { is_active: true } });
      await works();
      if (round % 2 === 0) await by.serviceAccounts.delete({ params });
      else {
        const one = { ...params, key_id: robot.keyId };
        await by.serviceAccounts.revokeKey({ params: one });
      }
      await refused();
    }
  }, 300_000);

  async function deafen(): Promise<void> {
    await queryAsAdmin(
      app,
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'omoi changes' and datname = current_database()",
    );
  }

  async function replace(index: number): Promise<void> {
    const { process } = servers[index] as { process: ServerProcess };
    process.process.kill("SIGKILL");
    await process.ended;
    servers[index] = await start();
  }
});
