// Thorough: two server processes that write at the same time.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";

let app: TestApp;
let owner: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("owner");
});
afterAll(() => app.close());

const eventsOf = async (person: TestPerson, orgId: string, query = {}): Promise<AuditEvent[]> =>
  (await person.api.audit.list({ params: { org_id: orgId }, query })).data;

describe("the audit log", () => {
  test("stays intact when two server processes write concurrently", async () => {
    const { id } = await makeOrganization(owner);
    const other = await app.sibling();
    try {
      const there = { ...owner, api: other.client(owner.token) };
      await Promise.all(
        Array.from({ length: 16 }, (_, index) => makeProject(index % 2 ? owner : there, id)),
      );
    } finally {
      await other.close();
    }
    const events = await eventsOf(owner, id);
    expect(events.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 17 }, (_, index) => 17 - index),
    );
  });
});
