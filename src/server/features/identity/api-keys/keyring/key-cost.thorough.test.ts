// Thorough: compares durations with many organizations.
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { systemRoleIds } from "../../../../db/migrate.js";

/*
 * A key with full access acts in every organization of its owner. Its changes must not run a query or
 * take a lock per organization, which would block other organizations' members.
 */

let app: TestApp;
let few: TestPerson;
let many: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  few = await own(2);
  many = await own(200);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => app.close());

/** Creates a user who owns the given number of organizations. */
async function own(count: number): Promise<TestPerson> {
  const person = await app.person();
  await queryAsOwner(
    app,
    `with made as (
       insert into organizations (id, name, slug, owner_id)
       select gen_random_uuid(), 'Organization', format('%s-%s', $1::text, n), $1::uuid
       from generate_series(1, $2::int) n returning id),
     named as (insert into organization_slugs (slug, org_id) select id::text, id from made)
     insert into memberships (id, org_id, user_id, role_id)
     select gen_random_uuid(), id, $1::uuid, $3::uuid from made`,
    [person.id, count, systemRoleIds.owner],
  );
  return person;
}

/**
 * Returns the queries of each lifecycle step: the minimum over several runs, because background work
 * adds some.
 */
async function queriesOf({ api }: TestPerson): Promise<Record<string, number>> {
  const least: Record<string, number> = {};
  for (let life = 0; life < 5; life += 1) {
    const counted = async <Answer>(step: string, work: () => Promise<Answer>): Promise<Answer> => {
      const spy = vi.spyOn(pg.Client.prototype, "query");
      const answer = await work();
      least[step] = Math.min(least[step] ?? Number.POSITIVE_INFINITY, spy.mock.calls.length);
      spy.mockRestore();
      return answer;
    };
    const make = () => api.apiKeys.create({ body: { name: "full" } });
    const { data: key } = await counted("create", make);
    const params = { key_id: key.id };
    await counted("update", () => api.apiKeys.update({ params, body: { name: "renamed" } }));
    const { data: next } = await counted("rotate", () => api.apiKeys.rotate({ params }));
    const nextParams = { params: { key_id: next.id } };
    await counted("revoke", () => api.apiKeys.revoke(nextParams));
    const { data: leaked } = await make();
    const body = { key: leaked.key as string };
    await counted("report", () => app.client().apiKeys.revokeLeaked({ body }));
  }
  return least;
}

test("a key with full access costs the same for any number of organizations", async () => {
  const ofFew = await queriesOf(few);
  const ofMany = await queriesOf(many);
  // Tolerance for background work; a query per organization would add 198.
  const slack = 20;
  const most = Object.entries(ofFew).map(([step, count]) => [step, count + slack] as const);
  expect(most.filter(([step, count]) => (ofMany[step] ?? Infinity) > count)).toEqual([]);
  const [row] = await queryAsOwner<{ events: string }>(
    app,
    "select count(*) as events from audit_events where action like 'api_key.%'",
  );
  expect(row).toEqual({ events: "0" });
});
