// Thorough: several processes, each of which starts and closes.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("usage of a key", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
  });
  afterAll(() => app.close());

  type Body = Parameters<typeof owner.api.apiKeys.create>[0]["body"];
  const make = async (body: Partial<Body> = {}) => {
    const { data } = await owner.api.apiKeys.create({ body: { name: "k", ...body } });
    const key = data.key as string;
    return { id: data.id, key, api: app.client(key), params: { key_id: data.id } };
  };
  const usage = async (key: { params: { key_id: string } }, days?: number) =>
    (
      await owner.api.apiKeys.usage({
        params: key.params,
        query: days === undefined ? {} : { days },
      })
    ).data;
  const at = { org_id: "" };
  beforeAll(() => {
    at.org_id = org.id;
  });

  test("adds up several processes, at the latest when each closes", async () => {
    const key = await make();
    const others = await Promise.all([app.sibling(), app.sibling()]);
    await Promise.all(
      [app, ...others].map(async (process) => {
        for (let turn = 0; turn < 5; turn += 1) await process.client(key.key).projects.list();
      }),
    );
    await Promise.all(others.map((process) => process.close()));
    const { requests } = await usage(key);
    expect(requests.map(({ count }) => count)).toEqual([15]);
  });

  test("warns once a week before expiry, with several processes", async () => {
    const person = await app.person("warned");
    const { id: orgId } = await makeOrganization(person);
    const create = async (name: string, expires_in_days: number) =>
      (await person.api.apiKeys.create({ body: { name, expires_in_days, organization_id: orgId } }))
        .data;
    const soon = await create("Nightly build", 30);
    const later = await create("later", 30);
    const short = await create("made for three days", 3);
    const ends = (id: string, days: number) =>
      queryAsOwner(
        app,
        "update api_keys set expires_at = now() + make_interval(days => $2) where id = $1",
        [id, days],
      );
    await queryAsOwner(
      app,
      "update api_keys set created_at = created_at - interval '24 days' where id = any($1)",
      [[soon.id, later.id]],
    );
    await ends(soon.id, 6);
    await ends(later.id, 8);
    await queryAsOwner(app, "update users set is_verified = true where id = $1", [person.id]);
    const processes = await Promise.all([app.sibling(), app.sibling(), app.sibling()]);
    const { data: told } = await person.api.notifications.deliveries({ query: {} });
    expect(told).toHaveLength(1);
    expect(told[0]?.text).toContain("“Nightly build”");
    expect(told[0]?.path).toBe(`/settings/api-keys/${soon.id}`);
    const { data: events } = await person.api.audit.list({
      params: { org_id: orgId },
      query: { action: "api_key.expiring" },
    });
    expect(events.map(({ target }) => target.id)).toEqual([soon.id]);
    expect(events[0]?.actor.type).toBe("system");
    expect((await person.api.apiKeys.get({ params: { key_id: short.id } })).data.status).toBe(
      "active",
    );
    await Promise.all(processes.map((process) => process.close()));
  });
});
