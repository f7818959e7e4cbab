import { beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf, problemOf, send } from "#test/support/http/raw-request.js";

describe("timeline of an organization's runs", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let [first, second]: Agent[] = [];
  const ids: string[] = [];
  const agentOf = (index: number): Agent => [first, second][index] as Agent;

  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    [first, second] = [await makeAgent(owner, project.id), await makeAgent(owner, project.id)];
    // Two runs that ended hours ago, and one that still runs.
    for (const [index, hours] of [
      [0, 30],
      [1, 3],
    ] as const) {
      const params = { agent_id: agentOf(index).id };
      const { data } = await owner.api.runs.create({ params, body: { external: true } });
      await owner.api.runs.stop({ params: { run_id: data.id }, body: { status: "succeeded" } });
      await queryAsOwner(
        app,
        `update runs set started_at = now() - interval '${hours} hours',
           ended_at = now() - interval '${hours - 1} hours' where id = '${data.id}'`,
      );
      ids.push(data.id);
    }
    const params = { agent_id: agentOf(0).id };
    ids.push((await owner.api.runs.create({ params, body: { external: true } })).data.id);
  });

  const list = async (query: Record<string, string> = {}) =>
    (await owner.api.runs.timeline({ params: { org_id: org.id }, query })).data;
  const ago = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString();

  test("lists runs newest first with their agents' names", async () => {
    expect(await list()).toEqual(
      [2, 1, 0].map((index) => ({
        id: ids[index],
        agent_id: agentOf(index % 2).id,
        agent_name: agentOf(index % 2).name,
        kind: "leased",
        status: index === 2 ? "running" : "succeeded",
        started_at: expect.any(String) as string,
        ended_at: index === 2 ? null : (expect.any(String) as string),
      })),
    );
  });

  test("filters by time range and by agent", async () => {
    const found = async (query: Record<string, string>) =>
      (await list(query)).map(({ id }) => ids.indexOf(id));
    expect(await found({ since: ago(24) })).toEqual([2, 1]);
    expect(await found({ since: ago(2.5), until: ago(2.4) })).toEqual([1]);
    expect(await found({ until: ago(24) })).toEqual([0]);
    expect(await found({ since: ago(20), until: ago(10) })).toEqual([]);
    expect(await found({ agent_id: agentOf(0).id })).toEqual([2, 0]);
  });

  test("is paginated", async () => {
    const params = { org_id: org.id };
    const one = await owner.api.runs.timeline({ params, query: { limit: 2 } });
    expect(one.data).toHaveLength(2);
    const next = /<([^>]+)>/.exec(one.headers.get("link") ?? "")?.[1] as string;
    const two = await send(
      app,
      "GET",
      new URL(next, app.url).pathname + new URL(next, app.url).search,
      {
        token: owner.token,
      },
    );
    expect((JSON.parse(two.text) as { id: string }[]).map(({ id }) => id)).toEqual([ids[0]]);
  });

  test("shows an agent's key only the agent's own runs", async () => {
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "agent", agent_id: agentOf(1).id },
    });
    const agent = app.client(key.key as string);
    const { data } = await agent.runs.timeline({ params: { org_id: org.id }, query: {} });
    expect(data.map(({ id }) => id)).toEqual([ids[1]]);
    const query = { agent_id: agentOf(0).id };
    expect((await agent.runs.timeline({ params: { org_id: org.id }, query })).data).toEqual([]);
  });

  test("is 404 for strangers, and invalid times are rejected", async () => {
    const stranger = await app.person();
    const params = { org_id: org.id };
    await expectProblem(stranger.api.runs.timeline({ params, query: {} }), 404, "not_found");
    const answer = await send(
      app,
      "GET",
      `/api/v1/organizations/${org.id}/runs?since=yesterday&agent_id=x`,
      { token: owner.token },
    );
    expect(answer.status).toBe(422);
    expect(fieldsOf(problemOf(answer)).sort()).toEqual(["query.agent_id", "query.since"]);
    expect((await send(app, "GET", `/api/v1/organizations/${org.id}/runs`)).status).toBe(401);
  });
});
