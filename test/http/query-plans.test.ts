import pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { startTestApp, type TestApp } from "../support/server/app.js";
import {
  explainStatements,
  type ExplainedStatement,
} from "../support/database/explained-statements.js";
import { insertOrganizations, growingTables } from "../support/database/bulk-organizations.js";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";

/**
 * PostgreSQL's plans for the statements of calls, in a database with thousands of organizations:
 * each statement is explained on its own connection just before it runs, with row-level security in
 * force.
 */
describe("query plans among many organizations", () => {
  let app: TestApp;
  let api: Client;
  let orgId: string;
  let slug: string;
  let projectId: string;
  let agentId: string;
  let asked: ExplainedStatement[];

  beforeAll(async () => {
    app = await startTestApp();
    const owner = await app.person("owner");
    ({ id: orgId, slug } = await makeOrganization(owner));
    projectId = (await makeProject(owner, orgId)).id;
    agentId = (await makeAgent(owner, projectId)).id;
    api = app.client((await owner.api.apiKeys.create({ body: { name: "k" } })).data.key as string);
    const client = new pg.Client({ ...app.owner, options: "-c app.system=on" });
    await client.connect();
    await insertOrganizations(client, 5000, 2500);
    await client.end();

    asked = explainStatements(/^\s*(select|with|update|delete)\b/i);
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await app.close();
  });

  /** The growing tables that a call scans sequentially. */
  async function readWhole(call: () => Promise<unknown>): Promise<string[]> {
    asked.length = 0;
    // Clears the caches, so that the call queries the database.
    await app.db.systemPool.query("select pg_notify('omoi_changes', 'roles - -')");
    await app.db.changes.syncLocal();
    asked.length = 0;
    await call();
    expect(asked).not.toEqual([]);
    const found: string[] = [];
    for (const { text, plan } of asked.splice(0)) {
      for (const node of await plan) {
        const table = node["Relation Name"] ?? "";
        const isWhole = node["Node Type"] === "Seq Scan";
        if (isWhole && growingTables.some((name) => name === table))
          found.push(`${table}: ${text}`);
      }
    }
    return found;
  }

  test.each<[string, () => Promise<unknown>]>([
    ["list organizations", () => api.organizations.list()],
    [
      "list archived ones too",
      () => api.organizations.list({ query: { include_archived: "true" } }),
    ],
    ["get an organization", () => api.organizations.get({ params: { org_id: orgId } })],
    ["get one by its slug", () => api.organizations.get({ params: { org_id: slug } })],
    ["list members", () => api.members.list({ params: { org_id: orgId } })],
    ["check a permission", () => api.organizations.permissions({ params: { org_id: orgId } })],
    ["read the usage", () => api.usage.get({ params: { org_id: orgId } })],
    ["list invitations", () => api.invitations.list({ params: { org_id: orgId } })],
    [
      "ask whether a slug is free",
      () => api.organizations.slugAvailability({ query: { slug: "crowd-7" } }),
    ],
    ["list roles", () => api.roles.list({ params: { org_id: orgId } })],
    ["list the audit log", () => api.audit.list({ params: { org_id: orgId } })],
    ["list keys", () => api.apiKeys.list()],
    ["list projects", () => api.projects.list()],
    ["get a project", () => api.projects.get({ params: { project_id: projectId } })],
    ["list agents", () => api.agents.list({ query: { project_id: projectId } })],
    ["list runs", () => api.runs.list({ params: { agent_id: agentId } })],
    ["list what needs attention", () => api.overview.attention({ params: { org_id: orgId } })],
    ["list the work of agents", () => api.overview.work({ params: { org_id: orgId } })],
    [
      "sum up results",
      () => {
        const query = { since: new Date().toISOString() };
        return api.overview.results({ params: { org_id: orgId }, query });
      },
    ],
    ["who am I", () => api.auth.me()],
    ["create an organization", () => api.organizations.create({ body: { name: "Crowd 7" } })],
    [
      "rename an organization",
      () => api.organizations.update({ params: { org_id: orgId }, body: { name: "Renamed" } }),
    ],
  ])("%s without a sequential scan of a growing table", async (_name, call) => {
    expect(await readWhole(call)).toEqual([]);
  });
});
