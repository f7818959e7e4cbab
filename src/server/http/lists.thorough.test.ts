import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { insertAutomation } from "#test/support/database/insert-automation.js";
import { insertDelivery } from "#test/support/database/insert-forge-events.js";
import { insertOpinion } from "#test/support/database/insert-opinion.js";
import { insertForge } from "#test/support/database/insert-forge.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGithub } from "#test/support/forges/github/github-double.js";
import { insertReview } from "#test/support/database/insert-review.js";
import { insertAttempt } from "#test/support/database/insert-attempt.js";
import { z } from "zod";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { urlOf } from "#shared/contract/call.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { insertMembers } from "#test/support/database/bulk-members.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { nextCursor } from "#test/support/http/next-cursor.js";
import { insertPastRuns } from "#test/support/database/past-runs.js";
import { fieldsOf, problemOf, send } from "#test/support/http/raw-request.js";
import { insertNotifications } from "#test/support/database/insert-notification.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import { insertWebhook } from "#test/support/database/insert-webhook.js";
import { makeFullOrganization } from "#test/support/fixtures/full-organization.js";

const endpoints = Object.values(api).flatMap((resource) =>
  Object.values(resource as Record<string, Endpoint>),
);
/** Lists of an object that has few: they come whole. */
const complete: ReadonlySet<Endpoint> = new Set<Endpoint>([api.reviews.checks]);
const lists = endpoints.filter(
  (endpoint) => endpoint.response instanceof z.ZodArray && !complete.has(endpoint),
);

const encode = (parts: unknown): string => Buffer.from(JSON.stringify(parts)).toString("base64url");

describe("lists", () => {
  let app: TestApp;
  let owner: TestPerson;
  let ids: Record<string, string>;
  let double: ForgeDouble;

  beforeAll(async () => {
    app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true" });
    owner = await app.person("owner");
    const full = await makeFullOrganization(owner);
    ids = {
      org_id: full.id,
      project_id: full.project.id,
      agent_id: full.agent.id,
      run_id: full.run.id,
      task_id: full.task.id,
      node_id: app.db.node.id,
    };
    await addSecondOfEverything(full);
    await insertNotifications(app, full.id, owner.id, 2);
    await insertWebhook(app, full.id, owner.id);
    await makeServiceAccount(app, owner, full.id);
    const { account } = await makeServiceAccount(app, owner, full.id);
    ids["service_account_id"] = account.id;
    await owner.api.serviceAccounts.createKey({
      params: { org_id: full.id, service_account_id: account.id },
      body: { name: "second" },
    });
    const attemptId = await insertAttempt(app, full.task.id, full.agent.id, randomUUID());
    for (const _nth of [1, 2]) {
      await insertForge(app, attemptId);
      await insertOpinion(app, attemptId);
      ids["automation_id"] = await insertAutomation(app, full.project.id, owner.id);
    }
    await queryAsOwner(
      app,
      `insert into automation_firings (id, org_id, project_id, automation_id, event_id, type, event, decision, decided_at)
       select gen_random_uuid(), org_id, project_id, automation_id, 'webhook 2', type, event, decision, now()
       from automation_firings where automation_id = $1`,
      [ids["automation_id"]],
    );
    for (const userId of [owner.id, randomUUID()]) {
      await insertReview(app, { taskId: full.task.id, attemptId, userId });
    }
    double = await startGithub();
    double.tokens.set("a-token", { login: "lead", reach: null });
    for (const name of ["acme/shop", "acme/site"]) await double.addRepository(name, { a: "a" });
    const { data: forge } = await owner.api.forges.create({
      params: { org_id: full.id },
      body: { kind: "github", url: double.url, api_url: double.apiUrl, token: "a-token" },
    });
    ids["forge_id"] = forge.id;
    for (const _nth of [1, 2]) await insertDelivery(app, forge.id);
    for (const login of ["ada", "lead"]) {
      await owner.api.forgePeople.set({
        params: { org_id: full.id, forge_id: forge.id, login },
        body: { user_id: owner.id },
      });
    }
    ids["webhook_id"] = (await insertWebhook(app, full.id, owner.id, 2)).webhookId;
  });
  afterAll(async () => {
    await double.close();
    await app.close();
  });

  async function addSecondOfEverything(full: Awaited<ReturnType<typeof makeFullOrganization>>) {
    const { email, password, api: client } = owner;
    const params = { org_id: full.id };
    await app.client().auth.login({ body: { email, password } });
    await makeOrganization(owner);
    await client.projects.create({ body: { organization_id: full.id, name: "Second" } });
    await client.tasks.create({
      params: { project_id: full.project.id },
      body: { body: "Second", start: false },
    });
    await client.apiKeys.create({ body: { name: "second", organization_id: full.id } });
    await client.invitations.create({
      params,
      body: { email: "second@example.com", role_id: full.roleId },
    });
    await makeWorkspace(owner, full.project.id);
    await commitFiles(owner, full.workspace, { "second.txt": "second" });
    await mergeIntoBase(owner, full.workspace);
    const project = { project_id: full.project.id };
    await client.mergeQueue.setCheck({
      params: { ...project, name: "second" },
      body: { command: ["true"] },
    });
    const body = { value: "second", kind: "variable" as const };
    await client.organizationSecrets.set({ params: { ...params, name: "SECOND" }, body });
    await client.projectSecrets.set({ params: { ...project, name: "SECOND" }, body });
    await client.protectionChanges.propose({ params: project, body: { protected_branches: [] } });
    const protected_branches = [{ pattern: "main", approvals: 5 }];
    await client.projects.update({ params: project, body: { protected_branches } });
    // With the reason that the queue would set, so that no row changes between two reads.
    await queryAsOwner(
      app,
      `insert into merge_requests (id, org_id, project_id, agent_id, kind, of_merge, request,
         source_branch, target_branch, status, reason, origin)
       select gen_random_uuid(), $1, $2, $3, 'revert', gen_random_uuid(), '{}', 'workspace-x',
         'main', 'waiting_for_approval', 'Waiting for 5 approvals.', '{}'
       from generate_series(1, 2)`,
      [full.id, full.project.id, full.agent.id],
    );
    await client.runs.stop({ params: { run_id: full.run.id } });
    await queryAsOwner(
      app,
      `insert into run_egress (id, org_id, run_id, host, port, decision, at, bytes_sent, bytes_received)
       select gen_random_uuid(), $1, $2, 'example.com', 443, 'allowed', now(), 0, 0 from generate_series(1, 2)`,
      [full.id, full.run.id],
    );
    await queryAsOwner(
      app,
      `insert into environment_builds (id, org_id, project_id, key, branch, commit_sha, definition,
         status, ended_at)
       select gen_random_uuid(), $1, $2, '', 'main', '', '{}', 'failed', now() from generate_series(1, 2)`,
      [full.id, full.project.id],
    );
    for (const id of [randomUUID(), randomUUID()]) await insertSession(app, id, full.agent.id);
    const user = { params: { user_id: (await app.person("second")).id } };
    await client.admin.disable(user);
    await client.admin.enable(user);
    await queryAsOwner(
      app,
      "insert into nodes (id, name, folder) values (gen_random_uuid(), 'gone', '0:0')",
    );
    await client.runners.create({ body: { name: "first" } });
    await client.runners.create({ body: { name: "second", organization_id: full.id } });
    await insertPastRuns(app, full.id, [
      { agentId: full.agent.id, from: "2026-01-10T00:00:00Z", to: "2026-01-10T01:00:00Z" },
      { agentId: full.agent.id, from: "2026-02-10T00:00:00Z", to: "2026-02-10T01:00:00Z" },
    ]);
    for (let count = 0; count < 2; count += 1) {
      await queryAsOwner(
        app,
        `insert into passkeys (id, user_id, name, credential_id, public_key, counter, transports, backed_up)
         values ($1, $2, 'a passkey', gen_random_uuid()::text, '', 0, '{}', false)`,
        [randomUUID(), owner.id],
      );
      await queryAsOwner(
        app,
        `insert into accounts (id, user_id, provider_id, account_id)
         values ($1, $2, gen_random_uuid()::text, gen_random_uuid()::text)`,
        [randomUUID(), owner.id],
      );
    }
  }

  const read = async (list: Endpoint, query: Record<string, string>) => {
    const words = list.path.endsWith("/files") ? { q: "txt" } : {};
    const answer = await send(
      app,
      "GET",
      urlOf(list, { params: ids, query: { ...words, ...query } }),
      {
        token: owner.token,
      },
    );
    return { ...answer, rows: () => JSON.parse(answer.text) as unknown[] };
  };

  test("all accept a limit and a cursor", () => {
    const unpaged = lists.filter(
      ({ query }) => !query || !["limit", "cursor"].every((name) => name in query.shape),
    );
    expect(unpaged.map(({ path }) => path)).toEqual([]);
    expect(lists.length).toBeGreaterThan(19);
  });

  test.each(lists)("$path returns the same rows in pages of one as in one page", async (list) => {
    const whole = (await read(list, { limit: "200" })).rows();
    expect(whole.length).toBeGreaterThan(1);
    const paged: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await read(list, { limit: "1", ...(cursor === undefined ? {} : { cursor }) });
      expect(page.rows()).toHaveLength(1);
      paged.push(...page.rows());
      cursor = nextCursor(page.headers);
    } while (cursor !== undefined);
    expect(paged).toEqual(whole);
  });

  test.each(lists)("$path accepts only its own cursors", async (list) => {
    const cursors: string[] = [];
    for (const other of lists.filter(({ path }) => path !== list.path)) {
      const cursor = nextCursor((await read(other, { limit: "1" })).headers);
      if (cursor === undefined) throw new Error(`${other.path} has no second page`);
      cursors.push(cursor);
    }
    const keys = [
      ["0000-01-01T00:00:00.000Z", randomUUID()],
      ["2026-11-26T15:00:00.000+99:99", randomUUID()],
      ["a\u0000b"],
      ["\ud800"],
      [""],
      [],
      [-1],
      [1e300],
      [null],
      [{}],
      [randomUUID(), randomUUID(), randomUUID()],
      "text",
      null,
    ];
    cursors.push("x", "", "bm90IGpzb24", encode(null), encode([list.path]));
    cursors.push(...keys.flatMap((key) => [encode(key), encode([list.path, key])]));
    for (const cursor of cursors) {
      const answer = await read(list, { cursor });
      const text = `${answer.status} for ${Buffer.from(cursor, "base64url").toString()}`;
      expect(text).toMatch(/^422 /);
      expect(fieldsOf(problemOf(answer))).toEqual(["query.cursor"]);
    }
  });

  test.each(["0", "201", "-1", "1.5", "ten", "", "1e1000"])(
    "a limit of %j is 422 with the valid range",
    async (limit) => {
      const answer = await read(api.members.list, { limit });
      expect(problemOf(answer)).toMatchObject({
        status: 422,
        errors: [{ loc: ["query", "limit"], msg: expect.stringMatching(/^must be /) as string }],
      });
    },
  );

  test.each([
    ["2026-11-26T15:00:00+23:59", 200],
    ["9999-12-31T23:59:59Z", 200],
    ["0001-01-01T00:00:00Z", 200],
    ["0001-01-01T00:00:00+23:59", 422],
    ["0000-01-01T00:00:00Z", 422],
    ["9999-12-31T23:59:59-23:59", 422],
    ["2026-02-30T00:00:00Z", 422],
    ["yesterday", 422],
  ])("a time of %s is %i in every list that accepts one", async (time, status) => {
    for (const list of [api.audit.list, api.runs.timeline]) {
      for (const name of ["since", "until"]) {
        const answer = await read(list, { [name]: time });
        expect([name, answer.status]).toEqual([name, status]);
        if (status === 422) expect(fieldsOf(problemOf(answer))).toEqual([`query.${name}`]);
      }
    }
  });

  test("1,200 members are listed completely, page by page", async () => {
    const { id } = await makeOrganization(owner);
    await insertMembers(app, id, 1199);
    const seen = new Set<string>();
    let pages = 0;
    let cursor: string | undefined;
    do {
      const query = { limit: 200, ...(cursor === undefined ? {} : { cursor }) };
      const { data, headers } = await owner.api.members.list({ params: { org_id: id }, query });
      for (const member of data) seen.add(member.id);
      cursor = nextCursor(headers);
      pages += 1;
    } while (cursor !== undefined);
    expect([seen.size, pages]).toEqual([1200, 6]);
    const first = await owner.api.members.list({ params: { org_id: id } });
    expect(first.data).toHaveLength(100);
  });
});
