import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusal, startTestApp, type TestApp, type TestPerson } from "#test/app.js";

describe("organizations", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
  });
  afterAll(() => app.close());

  test("the seed's example creates the seed's answer", async () => {
    const { status, data } = await owner.api.organizations.create({
      body: {
        name: "Acme Corp",
        slug: "acme-corp",
        description: "Engineering team at Acme",
        billing_email: "billing@acme.com",
      },
    });
    expect(status).toBe(201);
    expect(data).toMatchObject({
      name: "Acme Corp",
      slug: "acme-corp",
      description: "Engineering team at Acme",
      owner_id: owner.id,
      billing_email: "billing@acme.com",
      is_active: true,
      max_concurrent_agents: 5,
      max_agent_runtime_hours: 100,
    });
    const { data: list } = await owner.api.organizations.list();
    expect(list).toEqual([
      expect.objectContaining({ id: data.id, name: "Acme Corp", slug: "acme-corp", role: "owner" }),
    ]);
  });

  test("a taken slug is refused with one that is free", async () => {
    const first = await owner.api.organizations.create({ body: { name: "Taken", slug: "taken" } });
    expect(first.status).toBe(201);
    const problem = await refusal(
      owner.api.organizations.create({ body: { name: "Other", slug: "taken" } }),
      409,
      "slug_taken",
    );
    expect(problem.suggestion).toBe("taken-2");
  });
});
