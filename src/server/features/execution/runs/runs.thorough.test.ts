// Thorough: many starts in two processes at once.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";

describe("leased runs", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
  });
  afterAll(() => app.close());

  const start = async (agent_id: string) =>
    (await owner.api.runs.create({ params: { agent_id }, body: { external: true } })).data;

  const usage = async () => (await owner.api.usage.get({ params: { org_id: org.id } })).data;
  const limit = (body: { max_concurrent_agents?: number; max_agent_runtime_hours?: number }) =>
    owner.api.organizations.update({ params: { org_id: org.id }, body });

  test("of thirty concurrent starts in two processes, exactly the limit of three succeeds", async () => {
    await limit({ max_concurrent_agents: 3 });
    const agents = await Promise.all(
      Array.from({ length: 30 }, () => makeAgent(owner, project.id)),
    );
    const sibling = await app.sibling();
    const apis = [owner.api, sibling.client(owner.token)];
    const outcomes = await Promise.allSettled(
      agents.map(({ id }, index) =>
        (apis[index % 2] as typeof owner.api).runs.create({
          params: { agent_id: id },
          body: { external: true },
        }),
      ),
    );
    await sibling.close();
    const started = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(started).toHaveLength(3);
    const running = await queryAsOwner(
      app,
      "select from runs where org_id = $1 and ended_at is null",
      [org.id],
    );
    expect(running).toHaveLength(3);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      expect(outcome.reason).toMatchObject({
        problem: {
          status: 409,
          code: "quota_exceeded",
          quota: "max_concurrent_agents",
          limit: 3,
          current: 3,
        },
      });
    }
    expect((await usage()).concurrent_agents).toEqual({ current: 3, limit: 3 });
    // A freed place can be used again.
    await owner.api.runs.stop({
      params: { run_id: (started[0] as { value: { data: { id: string } } }).value.data.id },
    });
    const idle = agents.find((_, index) => outcomes[index]?.status === "rejected");
    expect((await start(idle?.id as string)).status).toBe("running");
  });
});
