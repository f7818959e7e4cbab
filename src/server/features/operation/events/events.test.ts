import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { systemRoleIds } from "../../../db/migrate.js";

interface Heard {
  event: string;
  id: string;
  data: { type: string; id: string | null } | null;
}

/** Reads the changes of a stream like a browser; webhooks.test.ts reads its events. */
async function listen(
  app: TestApp,
  orgId: string,
  token: string,
  { lastEventId, query = "" }: { lastEventId?: string; query?: string } = {},
) {
  const stop = new AbortController();
  const response = await fetch(`${app.url}/api/v1/organizations/${orgId}/events${query}`, {
    signal: stop.signal,
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    },
  });
  const heard: Heard[] = [];
  let position = "";
  const ended = (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n");
        text = text.slice(end + 2);
        const field = (name: string) =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        position = field("id") ?? position;
        const event = field("event");
        if (event !== undefined && event !== "event") {
          heard.push({ event, id: position, data: JSON.parse(field("data") as string) });
        }
      }
    }
  })().catch(() => {});
  const types = () => heard.map(({ event, data }) => data?.type ?? event);
  await expect.poll(() => position).not.toBe("");
  return { response, heard, types, ended, stop: () => stop.abort(), position: () => position };
}

describe("the event stream of an organization", () => {
  let app: TestApp;
  let owner: TestPerson;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
  });
  afterAll(() => app.close());

  test("reports changes of any server process", async () => {
    const org = await makeOrganization(owner);
    const other = await makeOrganization(owner);
    const sibling = await app.sibling();
    try {
      const { response, heard, types, stop } = await listen(app, org.id, owner.token);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
      expect(response.headers.get("cache-control")).toBe("no-store");
      const there = { ...owner, api: sibling.client(owner.token) };
      await makeProject(owner, other.id);
      const project = await makeProject(there, org.id);
      const agent = await makeAgent(there, project.id);
      const invited = { email: "someone@example.com", role_id: systemRoleIds.viewer };
      await there.api.invitations.create({ params: { org_id: org.id }, body: invited });
      await there.api.runs.create({ params: { agent_id: agent.id }, body: { external: true } });
      await expect.poll(types).toContain("run");
      expect(heard.every(({ event }) => event === "change")).toBe(true);
      const eventsOf = (type: string) => heard.filter(({ data }) => data?.type === type);
      expect(eventsOf("project").map(({ data }) => data?.id)).toContain(project.id);
      expect(eventsOf("agent").map(({ data }) => data?.id)).toContain(agent.id);
      expect(eventsOf("run").map(({ data }) => data?.id)).toContain(agent.id);
      expect(eventsOf("member").length).toBeGreaterThan(0);
      expect(eventsOf("invitation").length).toBe(1);
      expect(eventsOf("audit_event").length).toBe(4);
      expect(JSON.stringify(heard)).not.toContain(other.id);
      stop();
    } finally {
      await sibling.close();
    }
  });

  test("resumes where it was left, or reports missed events", async () => {
    const org = await makeOrganization(owner);
    const first = await listen(app, org.id, owner.token);
    await makeProject(owner, org.id);
    await expect.poll(first.types).toContain("audit_event");
    first.stop();
    await first.ended;
    const left = first.heard[0]?.id as string;
    await makeProject(owner, org.id);
    // A page cannot set the header; a browser's header is newer than its URL.
    for (const how of [
      { lastEventId: left },
      { query: `?last_event_id=${left}` },
      { lastEventId: left, query: "?last_event_id=000000000000-5" },
    ]) {
      const second = await listen(app, org.id, owner.token, how);
      const logged = () => second.types().filter((type) => type === "audit_event").length;
      await expect.poll(logged).toBe(2);
      expect(second.types()).not.toContain("reset");
      expect(second.heard.map(({ id }) => id)).not.toContain(left);
      second.stop();
    }
    for (const unknown of ["000000000000-5", "nonsense"]) {
      const third = await listen(app, org.id, owner.token, { lastEventId: unknown });
      await expect.poll(third.types).toEqual(["reset"]);
      third.stop();
    }
  });

  test("shows each subscriber the visible events and ends with the permission", async () => {
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    const { data: role } = await owner.api.roles.create({
      params,
      body: { name: "projects", permissions: ["org:read", "project:read"] },
    });
    const person = await app.person("reader");
    const body = { user_id: person.id, role_id: role.id };
    const { data: member } = await owner.api.members.add({ params, body });
    const stream = await listen(app, org.id, person.token);
    const project = await makeProject(owner, org.id);
    await makeAgent(owner, project.id);
    await owner.api.organizations.update({ params, body: { description: "Changed" } });
    await expect.poll(stream.types).toContain("organization");
    expect(new Set(stream.types())).toEqual(new Set(["project", "organization"]));
    const memberParams = { ...params, member_id: member.id };
    await owner.api.members.update({
      params: memberParams,
      body: { role_id: systemRoleIds.viewer },
    });
    await makeAgent(owner, project.id);
    await expect.poll(stream.types).toContain("agent");
    await owner.api.members.remove({ params: memberParams });
    await stream.ended;
  });

  test("ends with the session or key", async () => {
    const org = await makeOrganization(owner);
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "listener", organization_id: org.id },
    });
    const stream = await listen(app, org.id, key.key as string);
    await owner.api.apiKeys.revoke({ params: { key_id: key.id } });
    await stream.ended;
    expect(stream.types()).not.toContain("api_key");
  });

  test("requires permission to read the organization and at most twenty streams", async () => {
    const org = await makeOrganization(owner);
    const params = { org_id: org.id };
    const stranger = await app.person("stranger");
    await expectProblem(stranger.api.events.stream({ params }), 404, "not_found");
    const { data: role } = await owner.api.roles.create({
      params,
      body: { name: "blind", permissions: ["project:read"] },
    });
    await owner.api.members.add({ params, body: { user_id: stranger.id, role_id: role.id } });
    await expectProblem(stranger.api.events.stream({ params }), 403, "insufficient_permission");

    const person = await app.person("many");
    const own = await makeOrganization(person);
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => listen(app, own.id, person.token)),
    );
    const problem = await expectProblem(
      person.api.events.stream({ params: { org_id: own.id } }),
      429,
      "rate_limited",
    );
    expect(problem.detail).toContain("20");
    for (const stream of streams) stream.stop();
    await expect
      .poll(async () => {
        const again = await listen(app, own.id, person.token).catch(() => null);
        again?.stop();
        return again?.response.status;
      })
      .toBe(200);
  });

  test("does not delay a shutdown", async () => {
    const short = await startTestApp();
    const person = await short.person("owner");
    const org = await makeOrganization(person);
    const stream = await listen(short, org.id, person.token);
    await short.close();
    await stream.ended;
  });
});
