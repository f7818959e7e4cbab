import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Client } from "#shared/contract/client.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeAgent,
  makeOrganization,
  makeProject,
  makeProjectWith,
} from "#test/support/fixtures/factories.js";
import { runGit } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { fieldsOf } from "#test/support/http/raw-request.js";

describe("an agent's key", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let other: Agent;
  beforeAll(async () => {
    app = await sharedTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    agent = await makeAgent(owner, project.id);
    other = await makeAgent(owner, project.id);
  });
  afterAll(() => sibling.close());

  type Body = Parameters<typeof owner.api.apiKeys.create>[0]["body"];
  const make = async (agentId = agent.id, body: Partial<Body> = {}, by: Client = owner.api) => {
    const { data } = await by.apiKeys.create({ body: { name: "k", agent_id: agentId, ...body } });
    const key = data.key as string;
    return { data, key, api: app.client(key), params: { key_id: data.id } };
  };
  const joinAs = async (role: keyof typeof systemRoleIds) => {
    const person = await app.person(role);
    const body = { user_id: person.id, role_id: systemRoleIds[role] };
    const { data } = await owner.api.members.add({ params: { org_id: org.id }, body });
    return { person, params: { org_id: org.id, member_id: data.id } };
  };

  test("is limited to the agent's organization and shows its agent", async () => {
    const { data } = await make();
    expect(data).toMatchObject({
      agent_id: agent.id,
      organization_id: org.id,
      scopes: [`org:${org.slug}:*`],
    });
    const { data: listed } = await owner.api.apiKeys.list();
    expect(listed[0]).toMatchObject({ id: data.id, agent_id: agent.id });
  });

  test("has the permissions of the agent's role, on the agent itself only", async () => {
    const { api } = await make();
    const own = { agent_id: agent.id };
    expect((await api.projects.get({ params: { project_id: project.id } })).status).toBe(200);
    expect((await api.projects.list()).data.map(({ id }) => id)).toEqual([project.id]);
    expect((await api.agents.get({ params: own })).data.id).toBe(agent.id);
    expect((await api.agents.list()).data.map(({ id }) => id)).toEqual([agent.id]);
    const query = { organization_id: org.id };
    expect((await api.agents.list({ query })).data.map(({ id }) => id)).toEqual([agent.id]);
    const { data: workspace } = await api.workspaces.create({ params: own });
    const asAgent = { ...owner, api };
    const commit = await commitFiles(asAgent, workspace, { "by-agent.txt": "x" });
    expect(commit.files_changed).toBe(1);
    const { data: run } = await api.runs.create({ params: own, body: { external: true } });
    expect((await api.runs.heartbeat({ params: { run_id: run.id } })).status).toBeLessThan(300);
    await api.runs.stop({ params: { run_id: run.id }, body: {} });

    for (const agent_id of [other.id, randomUUID()]) {
      const params = { agent_id };
      await expectProblem(api.agents.get({ params }), 404, "not_found");
      await expectProblem(api.workspaces.create({ params }), 404, "not_found");
      await expectProblem(api.workspaces.get({ params }), 404, "not_found");
      await expectProblem(api.runs.list({ params }), 404, "not_found");
      await expectProblem(api.runs.create({ params, body: { external: true } }), 404, "not_found");
    }
    const { data: theirs } = await owner.api.runs.create({
      params: { agent_id: other.id },
      body: { external: true },
    });
    for (const run_id of [theirs.id, randomUUID()]) {
      await expectProblem(api.runs.get({ params: { run_id } }), 404, "not_found");
      await expectProblem(api.runs.stop({ params: { run_id }, body: {} }), 404, "not_found");
    }
    const body = { project_id: project.id, name: "child" };
    await expectProblem(api.agents.create({ body }), 403, "insufficient_permission");
    const params = { org_id: org.id };
    await expectProblem(api.organizations.get({ params }), 403, "insufficient_permission");
    expect((await api.organizations.list()).data).toEqual([]);
  });

  test("with another role does that, and still touches no other agent", async () => {
    const promoted = await makeAgent(owner, project.id);
    const { api } = await make(promoted.id);
    const { data: members } = await owner.api.members.list({ params: { org_id: org.id } });
    const member = members.find(({ agent_id }) => agent_id === promoted.id);
    await owner.api.members.update({
      params: { org_id: org.id, member_id: member?.id as string },
      body: { role_id: systemRoleIds.member },
    });
    expect((await api.organizations.list()).data.map(({ id }) => id)).toEqual([org.id]);
    const body = { description: "by an agent" };
    const projectParams = { project_id: project.id };
    expect((await api.projects.update({ params: projectParams, body })).status).toBe(200);
    await expectProblem(api.agents.get({ params: { agent_id: other.id } }), 404, "not_found");
  });

  test("has no user profile, keys or organizations", async () => {
    const { api } = await make();
    for (const call of [
      () => api.auth.me(),
      () => api.auth.sessions(),
      () => api.auth.updateMe({ body: { full_name: "Mallory" } }),
      () => api.apiKeys.list(),
      () => api.apiKeys.create({ body: { name: "child", agent_id: agent.id } }),
      () => api.organizations.create({ body: { name: "Mine" } }),
    ]) {
      await expectProblem(call(), 403, "insufficient_permission");
    }
    await expectProblem(api.auth.logout(), 400, "bad_request");
  });

  test("appears as the agent in the audit log, and its requests are not the user's", async () => {
    const worker = await makeAgent(owner, project.id);
    const { api, data } = await make(worker.id);
    const { data: members } = await owner.api.members.list({ params: { org_id: org.id } });
    await owner.api.members.update({
      params: {
        org_id: org.id,
        member_id: members.find(({ agent_id }) => agent_id === worker.id)?.id as string,
      },
      body: { role_id: systemRoleIds.member },
    });
    const body = { description: "changed by a worker" };
    await api.projects.update({ params: { project_id: project.id }, body });
    const { data: events } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { action: "project.updated", actor_id: worker.id },
    });
    expect(events.map(({ actor }) => actor)).toEqual([
      { type: "agent", id: worker.id, name: worker.name, api_key_id: data.id },
    ]);
    const headers = { "idempotency-key": randomUUID() };
    const request = { params: { agent_id: worker.id }, body: { external: true } } as const;
    const { data: run } = await owner.api.runs.create(request, { headers });
    // Another actor's Idempotency-Key replays nothing.
    await expectProblem(api.runs.create(request, { headers }), 409, "run_in_progress");
    await owner.api.runs.stop({ params: { run_id: run.id }, body: {} });
  });

  test("ends with the agent at the next request on every process", async () => {
    const ending = await makeAgent(owner, project.id);
    const { key } = await make(ending.id);
    for (const process of [app, sibling]) await process.client(key).projects.list();
    await queryAsOwner(app, "update agents set terminated_at = now() where id = $1", [ending.id]);
    await app.db.changes.syncAll();
    for (const process of [app, sibling]) {
      await expectProblem(process.client(key).projects.list(), 401, "invalid_token");
    }
    const again = owner.api.apiKeys.create({ body: { name: "k", agent_id: ending.id } });
    const problem = await expectProblem(again, 422, "validation_failed");
    expect(fieldsOf(problem)).toEqual(["body.agent_id"]);
  });

  test("is not created in an organization that is archived meanwhile", async () => {
    const { id } = await makeOrganization(owner);
    const worker = await makeAgent(owner, (await makeProject(owner, id)).id);
    const client = new pg.Client({ ...app.owner, options: "-c app.system=on" });
    await client.connect();
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
      `organization ${id}`,
    ]);
    const made = expectProblem(
      owner.api.apiKeys.create({ body: { name: "k", agent_id: worker.id } }),
      422,
      "validation_failed",
    );
    await expect
      .poll(async () => {
        const { rows } = await client.query<{ count: number }>(
          `select count(*)::int from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())`,
        );
        return rows[0]?.count;
      })
      .toBe(1);
    await client.query("update organizations set archived_at = now() where id = $1", [id]);
    await client.query("commit");
    await client.end();
    expect(fieldsOf(await made)).toEqual(["body.scopes.0"]);
  });

  test("never has more permissions than its creator has at that moment", async () => {
    const { person, params } = await joinAs("member");
    const { api } = await make(agent.id, {}, person.api);
    const own = { agent_id: agent.id };
    const start = () => api.runs.create({ params: own, body: { external: true } });
    const { data: run } = await start();
    await api.runs.stop({ params: { run_id: run.id }, body: {} });
    await owner.api.members.update({ params, body: { role_id: systemRoleIds.viewer } });
    await expectProblem(start(), 403, "insufficient_permission");
    expect((await api.agents.get({ params: own })).status).toBe(200);
    await owner.api.members.remove({ params });
    await expectProblem(api.agents.get({ params: own }), 404, "not_found");
  });

  test("requires the permission to change agents and grants no more than its creator has", async () => {
    const { person: viewer } = await joinAs("viewer");
    const problem = await expectProblem(
      make(agent.id, {}, viewer.api),
      403,
      "insufficient_permission",
    );
    expect(problem.missing_permissions).toEqual(["agent:write"]);
    const { data: role } = await owner.api.roles.create({
      params: { org_id: org.id },
      body: { name: "manager", permissions: ["agent:write", "agent:read", "project:read"] },
    });
    const manager = await app.person("manager");
    await owner.api.members.add({
      params: { org_id: org.id },
      body: { user_id: manager.id, role_id: role.id },
    });
    const beyond = await expectProblem(
      make(agent.id, {}, manager.api),
      403,
      "privilege_escalation",
    );
    expect(beyond.missing_permissions).toContain("agent:run");
    const scopes = [`org:${org.slug}:agent:read`];
    expect((await make(agent.id, { scopes }, manager.api)).data.scopes).toEqual(scopes);
    const { data: narrow } = await owner.api.apiKeys.create({
      body: { name: "narrow", scopes: [`org:${org.slug}:agent:*`] },
    });
    const byKey = make(agent.id, {}, app.client(narrow.key as string));
    await expectProblem(byKey, 403, "privilege_escalation");
  });

  test("requires an existing agent and scopes within its organization", async () => {
    const elsewhere = await makeOrganization(owner);
    const stranger = await app.person("stranger");
    const cases: [Partial<Body>, TestPerson, string][] = [
      [{ agent_id: randomUUID() }, owner, "body.agent_id"],
      [{ agent_id: agent.id }, stranger, "body.agent_id"],
      [{ agent_id: "worker" }, owner, "body.agent_id"],
      [{ agent_id: agent.id, scopes: ["*:*"] }, owner, "body.scopes.0"],
      [
        { agent_id: agent.id, scopes: [`org:${org.slug}:*`, `org:${elsewhere.slug}:*`] },
        owner,
        "body.scopes.1",
      ],
      [{ agent_id: agent.id, organization_id: elsewhere.id }, owner, "body.scopes.0"],
    ];
    for (const [body, by, field] of cases) {
      const create = by.api.apiKeys.create({ body: { name: "k", ...body } });
      expect(fieldsOf(await expectProblem(create, 422, "validation_failed"))).toEqual([field]);
    }
  });

  test("is rotated and verified like any other key", async () => {
    const { key, params } = await make();
    const { data: verified } = await owner.api.apiKeys.verify({
      body: { key, organization_id: org.id },
    });
    expect(verified).toMatchObject({ valid: true, agent_id: agent.id });
    expect(verified.permissions).toContain("agent:run");
    expect(verified.permissions).not.toContain("org:read");
    const { data } = await owner.api.apiKeys.rotate({ params });
    expect(data.agent_id).toBe(agent.id);
    const rotated = app.client(data.key as string);
    expect((await rotated.agents.list()).data.map(({ id }) => id)).toEqual([agent.id]);
    await expectProblem(app.client(key).agents.list(), 401, "invalid_token");
  });

  test("clones the base branch, its own branch and its parent's only", async () => {
    const parent = await makeAgent(owner, project.id);
    const child = await makeAgent(owner, project.id, parent.id);
    const stranger = await makeAgent(owner, project.id);
    for (const { id } of [parent, stranger, child]) {
      const { data: workspace } = await owner.api.workspaces.create({ params: { agent_id: id } });
      await commitFiles(owner, workspace, { [`${id}.txt`]: id });
    }
    const { key } = await make(child.id);
    const url = project.clone_url.replace("http://", `http://x:${key}@`);
    const { stdout } = await runGit(["ls-remote", url]);
    const refs = stdout.split("\n").flatMap((line) => line.split("\t")[1] ?? []);
    expect(refs.toSorted()).toEqual(
      [
        "HEAD",
        "refs/heads/main",
        `refs/heads/workspace-${child.name}`,
        `refs/heads/workspace-${parent.name}`,
      ].toSorted(),
    );
    const all = await runGit([
      "ls-remote",
      project.clone_url.replace("http://", `http://x:${await fullKey()}@`),
    ]);
    const hidden = all.stdout
      .split("\n")
      .find((line) => line.endsWith(`refs/heads/workspace-${stranger.name}`))
      ?.split("\t")[0] as string;
    const folder = await mkdtemp(join(tmpdir(), "omoi-agent-"));
    expect((await runGit(["clone", "--quiet", url, folder])).code).toBe(0);
    for (const wanted of [hidden, `refs/heads/workspace-${stranger.name}`]) {
      const fetched = await runGit(["fetch", "--quiet", "origin", wanted], { cwd: folder });
      expect(fetched.code).not.toBe(0);
    }
    await rm(folder, { recursive: true, force: true });
  });

  const fullKey = async () =>
    (await owner.api.apiKeys.create({ body: { name: "git" } })).data.key as string;
});
