// Thorough: sixty writers race through two processes.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyChains } from "#server/features/organization/audit/index.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { send, type RawResponse } from "../support/http/raw-request.js";

const writers = 60;
const writes = 400;

let here: TestApp;
let there: TestApp;
let owner: TestPerson;
let member: TestPerson;
beforeAll(async () => {
  here = await startTestApp();
  there = await here.sibling();
  owner = await here.person("owner");
  member = await here.person("member");
});
afterAll(async () => {
  await there.close();
  await here.close();
});

test("sixty concurrent writers of one organization get no 5xx, and its audit log is intact", async () => {
  const { id: orgId } = await makeOrganization(owner);
  const params = { org_id: orgId };
  await owner.api.organizations.update({ params, body: { max_concurrent_agents: 50 } });
  const project = await makeProject(owner, orgId);
  const agents = await Promise.all(Array.from({ length: 5 }, () => makeAgent(owner, project.id)));
  const { data: joined } = await owner.api.members.add({
    params,
    body: { user_id: member.id, role_id: systemRoleIds.admin },
  });
  const base = `/api/v1/organizations/${orgId}`;
  const roleIds: string[] = [];
  const pick = <Item>(items: readonly Item[]): Item =>
    items[Math.floor(Math.random() * items.length)] as Item;
  const idOf = ({ text, status }: RawResponse): string[] =>
    status === 201 ? [(JSON.parse(text) as { id: string }).id] : [];

  /** A request of one kind, by one of two people through one of two processes. */
  const write = (method: string, path: string, body?: unknown): Promise<RawResponse> => {
    const { token } = pick([owner, owner, member]);
    return send(pick([here, there]), method, path, { token, body });
  };
  const kinds: (() => Promise<RawResponse>)[] = [
    async () => {
      const body = { name: randomUUID(), permissions: ["org:read", "project:read"] };
      const answer = await write("POST", `${base}/roles`, body);
      roleIds.push(...idOf(answer));
      return answer;
    },
    () =>
      write("PATCH", `${base}/roles/${pick([...roleIds, randomUUID()])}`, {
        description: randomUUID(),
        inherits_from: pick([null, ...roleIds]),
      }),
    () => write("DELETE", `${base}/roles/${roleIds.shift() ?? randomUUID()}`),
    () =>
      write("PATCH", `${base}/members/${joined.id}`, {
        role_id: pick([systemRoleIds.admin, systemRoleIds.owner, ...roleIds]),
      }),
    () =>
      write("POST", `${base}/invitations`, {
        email: `${randomUUID()}@example.com`,
        role_id: pick([systemRoleIds.member, ...roleIds]),
      }),
    async () => {
      const body = { name: "short-lived", organization_id: orgId };
      const made = await write("POST", "/api/v1/api-keys", body);
      const [key] = idOf(made);
      return key === undefined ? made : write("DELETE", `/api/v1/api-keys/${key}`);
    },
    async () => {
      const made = await write("POST", "/api/v1/agents", {
        project_id: project.id,
        name: `a-${randomUUID()}`,
      });
      const [agent] = idOf(made);
      return agent === undefined ? made : write("DELETE", `/api/v1/agents/${agent}`);
    },
    () =>
      write("PATCH", `/api/v1/agents/${pick(agents).id}`, {
        description: randomUUID(),
      }),
    () => write("PATCH", base, { settings: { at: randomUUID() } }),
    () => write("PATCH", base, { slug: `s-${randomUUID().slice(0, 8)}` }),
    () => write("PATCH", `/api/v1/projects/${project.id}`, { name: randomUUID() }),
    async () => {
      const path = `/api/v1/agents/${pick(agents).id}/runs`;
      const made = await write("POST", path, { external: true });
      const [run] = idOf(made);
      return run === undefined ? made : write("POST", `/api/v1/runs/${run}/stop`);
    },
  ];

  const counts = new Map<number, number>();
  const failures: string[] = [];
  let left = writes;
  const writing = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { status, text } = await pick(kinds)();
      counts.set(status, (counts.get(status) ?? 0) + 1);
      if (status >= 500) failures.push(`${status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: writers }, writing));
  expect(failures.slice(0, 3)).toEqual([]);
  // Every kind of change succeeded many times, and many were refused.
  expect(counts.get(200) ?? 0).toBeGreaterThan(10);
  expect(counts.get(204) ?? 0).toBeGreaterThan(10);
  const reports = await here.db.withSystem("verify", (db) => verifyChains(db, []));
  const report = reports.find((chain) => chain.orgId === orgId);
  expect(report?.faults).toEqual([]);
  expect(report?.events).toBeGreaterThan(50);
});
