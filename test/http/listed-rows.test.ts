/** The rows that lists across agents read, in a database with many runs and sessions. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Client } from "#shared/contract/client.js";
import {
  explainStatements,
  type ExplainedStatement,
} from "../support/database/explained-statements.js";
import { queryAsOwner } from "../support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { nextCursor } from "../support/http/next-cursor.js";
import { sharedTestApp, type TestApp } from "../support/server/app.js";

const ORGANIZATIONS = 3;
const ROWS = 2000;
const LIMIT = 20;

let app: TestApp;
let api: Client;
let ofAgent: Client;
let explained: ExplainedStatement[];

/** Inserts many runs and sessions of an agent, of which the oldest three have failed and every second run is a check. */
async function insertRows(agentId: string, from: number): Promise<void> {
  const ids = `(lpad(to_hex(${from}::bigint + n), 12, '0') || '70008' || substr(md5($1 || n), 1, 15))::uuid`;
  await queryAsOwner(
    app,
    `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at)
     select ${ids.replace("n)", "2 * n + kind)")}, org_id, a.id, (array['leased', 'check'])[kind + 1],
       case when n <= 3 then 'failed' else 'succeeded' end, now(), now()
     from agents a, generate_series(1, $2::int) n, generate_series(0, 1) kind where a.id = $1::text::uuid`,
    [agentId, ROWS],
  );
  await queryAsOwner(
    app,
    `insert into agent_sessions (id, org_id, agent_id, preset, command, network, status, title, created_by)
     select ${ids}, org_id, a.id, 'custom', '{agent}', 'none', case when n <= 3 then 'failed' else 'closed' end, 'Old',
       json_build_object('type', 'user', 'id', a.id, 'name', 'Ada')
     from agents a, generate_series(1, $2::int) n where a.id = $1::text::uuid`,
    [agentId, ROWS],
  );
}

beforeAll(async () => {
  app = await sharedTestApp();
  const owner = await app.person("owner");
  const stranger = await app.person("stranger");
  ({ api } = owner);
  let agentId = "";
  // No process needs notifications about these rows.
  const tables = ["runs", "agent_sessions"];
  for (const name of tables) await queryAsOwner(app, `alter table ${name} disable trigger user`);
  for (const person of [stranger, ...Array.from({ length: ORGANIZATIONS }, () => owner)]) {
    const { id } = await makeProject(person, (await makeOrganization(person)).id);
    agentId = (await makeAgent(person, id)).id;
    // Those of the stranger are newer than all others.
    await insertRows(agentId, person === stranger ? 1.8e12 : 1.7e12);
  }
  const body = { name: "agent", agent_id: agentId };
  const { data } = await api.apiKeys.create({ body });
  ofAgent = app.client(data.key as string);
  for (const name of tables) await queryAsOwner(app, `alter table ${name} enable trigger user`);
  await queryAsOwner(app, "analyze runs, agent_sessions");
  explained = explainStatements(
    /^\s*select\b[\s\S]*\bfrom "?(runs|agent_sessions)\b/i,
    ", analyze, timing off",
  );
}, 120_000);
afterAll(async () => {
  vi.restoreAllMocks();
});

/** The rows of a table that the statements of a call read. */
async function rowsRead(table: string, call: () => Promise<{ data: unknown[] }>) {
  explained.length = 0;
  const { data } = await call();
  expect(explained).not.toEqual([]);
  let read = 0;
  for (const { plan } of explained.splice(0)) {
    for (const node of await plan) {
      if (node["Relation Name"] !== table) continue;
      const rows = (node["Actual Rows"] ?? 0) + (node["Rows Removed by Filter"] ?? 0);
      read += rows * (node["Actual Loops"] ?? 1);
    }
  }
  return { listed: data.length, read };
}

describe.each(["runs", "agent_sessions"] as const)("a list of %s across agents", (table) => {
  const list = (client: Client, query: object) => () =>
    table === "runs" ? client.runs.listAll({ query }) : client.agentSessions.listAll({ query });

  // A page and the row after it, of each organization and then again as a whole.
  const most = (ORGANIZATIONS + 1) * (LIMIT + 1);

  test.each<[string, object, number]>([
    ["the newest", {}, LIMIT],
    ["those of a rare status", { status: "failed" }, 3 * ORGANIZATIONS],
  ])("reads few rows for %s", async (_title, query, listed) => {
    const result = await rowsRead(table, list(api, { ...query, limit: LIMIT }));
    expect(result.listed).toBe(listed);
    expect(result.read).toBeLessThanOrEqual(most);
  });

  test("reads few rows for an agent's key, and for the second page", async () => {
    const own = await rowsRead(table, list(ofAgent, { limit: LIMIT }));
    expect(own.listed).toBe(LIMIT);
    expect(own.read).toBeLessThanOrEqual(most);
    const { headers } = await list(api, { limit: LIMIT })();
    const cursor = nextCursor(headers);
    const second = await rowsRead(table, list(api, { limit: LIMIT, cursor }));
    expect(second.listed).toBe(LIMIT);
    expect(second.read).toBeLessThanOrEqual(most);
  });
});
