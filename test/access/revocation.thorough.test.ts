import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";
import { makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { queryAsAdmin, queryAsOwner } from "../support/database/queries.js";

/**
 * Revoked access ends on the next request to every server process, although each has caches: two
 * applications on one database, asked in turn.
 */
describe("revocation across several server processes", () => {
  let here: TestApp;
  let there: TestApp;
  let third: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    here = await startTestApp();
    there = await here.sibling();
    third = await here.sibling();
    owner = await here.person("owner");
  });
  afterAll(async () => {
    await third.close();
    await there.close();
    await here.close();
  });

  test("a key revoked on one process is rejected on all, two hundred times, with dropped listeners in between", async () => {
    const processes = [here, there, third];
    for (let round = 0; round < 200; round += 1) {
      const { data: key } = await owner.api.apiKeys.create({ body: { name: "short-lived" } });
      const clients = processes.map((process) => process.client(key.key as string));
      await Promise.all(clients.map((client) => client.organizations.list()));
      if (round % 40 === 20) {
        await queryAsAdmin(
          here,
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'omoi changes' limit 1",
        );
      }
      const by = (processes[round % 3] as TestApp).client(owner.token);
      await by.apiKeys.revoke({ params: { key_id: key.id } });
      await Promise.all(
        clients.map((client) => expectProblem(client.organizations.list(), 401, "invalid_token")),
      );
    }
  });

  test("a session ended on one process is rejected on the other", async () => {
    for (let round = 0; round < 10; round += 1) {
      const { email, password } = owner;
      const { data } = await here.client().auth.login({ body: { email, password } });
      await there.client(data.access_token).auth.me();
      await here.client(data.access_token).auth.logout();
      await expectProblem(there.client(data.access_token).auth.me(), 401, "invalid_token");
    }
  });

  test("a revoked role, a removed member, an archived organization", async () => {
    for (let round = 0; round < 10; round += 1) {
      const org = await makeOrganization(owner);
      const params = { org_id: org.id };
      const project = await makeProject(owner, org.id);
      const { id: userId, token } = await here.person("member");
      const { data: member } = await owner.api.members.add({
        params,
        body: { user_id: userId, role_id: systemRoleIds.admin },
      });
      const elsewhere = there.client(token);
      const rename = (name: string) =>
        elsewhere.projects.update({ params: { project_id: project.id }, body: { name } });
      await rename("one");
      const memberParams = { ...params, member_id: member.id };
      await owner.api.members.update({
        params: memberParams,
        body: { role_id: systemRoleIds.viewer },
      });
      await expectProblem(rename("two"), 403, "insufficient_permission");
      expect((await elsewhere.organizations.list()).data).toHaveLength(1);
      await owner.api.members.remove({ params: memberParams });
      await expectProblem(rename("three"), 404, "not_found");
      expect((await elsewhere.organizations.list()).data).toEqual([]);
      const ownElsewhere = there.client(owner.token);
      await ownElsewhere.projects.get({ params: { project_id: project.id } });
      await owner.api.organizations.archive({ params });
      await expectProblem(
        ownElsewhere.projects.update({
          params: { project_id: project.id },
          body: { name: "four" },
        }),
        409,
        "organization_archived",
      );
    }
  });

  test("a custom role's permissions", async () => {
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    const body = { name: "writer", permissions: ["org:read", "org:write"] };
    const { data: role } = await owner.api.roles.create({ params, body });
    const person = await here.person("writer");
    await owner.api.members.add({ params, body: { user_id: person.id, role_id: role.id } });
    const elsewhere = there.client(person.token);
    await elsewhere.organizations.update({ params, body: { description: "one" } });
    await owner.api.roles.update({
      params: { ...params, role_id: role.id },
      body: { permissions: ["org:read"] },
    });
    await expectProblem(
      elsewhere.organizations.update({ params, body: { description: "two" } }),
      403,
      "insufficient_permission",
    );
  });

  test("a list shows the other process's latest change once it was answered", async () => {
    const person = await here.person("reader");
    const elsewhere = there.client(person.token);
    const org = await makeOrganization(person);
    await here.db.changes.syncAll();
    expect((await elsewhere.organizations.list()).data.map(({ name }) => name)).toEqual([org.name]);
    await person.api.organizations.update({ params: { org_id: org.id }, body: { name: "New" } });
    await makeProject(person, org.id);
    await here.db.changes.syncAll();
    const { data } = await elsewhere.organizations.list();
    expect(data.map(({ name, counts }) => [name, counts.projects])).toEqual([["New", 1]]);
  });

  test("a process without a listener reads from the database, and reconnects by itself", async () => {
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "for the disconnected" },
    });
    const elsewhere = there.client(key.key as string);
    await elsewhere.organizations.list();
    const deafen = () =>
      queryAsAdmin(
        here,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'omoi changes'",
      );
    await deafen();
    await queryAsOwner(here, "update api_keys set revoked_at = now() where id = $1", [key.id]);
    await expectProblem(elsewhere.organizations.list(), 401, "invalid_token");
    await expect.poll(() => here.db.changes.mayCache && there.db.changes.mayCache).toBe(true);
    const { data: next } = await owner.api.apiKeys.create({ body: { name: "heard again" } });
    const again = there.client(next.key as string);
    await again.organizations.list();
    await owner.api.apiKeys.revoke({ params: { key_id: next.id } });
    await expectProblem(again.organizations.list(), 401, "invalid_token");
  });

  test("no concurrent reader gets access after the revocation was answered", async () => {
    for (let round = 0; round < 10; round += 1) {
      const { data: key } = await owner.api.apiKeys.create({ body: { name: "raced" } });
      let revokedAt = Number.POSITIVE_INFINITY;
      const late: number[] = [];
      const readers = new AbortController();
      const reading = [here, there].flatMap((app) =>
        Array.from({ length: 4 }, async () => {
          const client = app.client(key.key as string);
          while (!readers.signal.aborted) {
            const asked = performance.now();
            const isLetIn = await client.auth.me().then(
              () => true,
              () => false,
            );
            if (isLetIn && asked > revokedAt) late.push(asked - revokedAt);
          }
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
      await owner.api.apiKeys.revoke({ params: { key_id: key.id } });
      revokedAt = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 20));
      readers.abort();
      await Promise.all(reading);
      expect(late).toEqual([]);
    }
  });
});
