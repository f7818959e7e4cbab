import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Queryable } from "#server/db/connection/connect.js";
import { beginSystem } from "#server/db/connection/system-pool.js";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { commitFiles, makeWorkspace } from "../support/fixtures/factories.js";
import { queryAsOwner } from "../support/database/queries.js";
import { insertAutomation } from "../support/database/insert-automation.js";
import { insertForge } from "../support/database/insert-forge.js";
import { insertForgeEvents } from "../support/database/insert-forge-events.js";
import { insertAttempt } from "../support/database/insert-attempt.js";
import { insertOpinion } from "../support/database/insert-opinion.js";
import { insertReview } from "../support/database/insert-review.js";
import { insertSession } from "../support/database/insert-session.js";
import { insertNotifications } from "../support/database/insert-notification.js";
import { makeServiceAccount } from "../support/fixtures/service-accounts.js";
import { insertRunner } from "../support/runners/runners.js";
import { insertWebhook } from "../support/database/insert-webhook.js";
import {
  makeFullOrganization,
  type FullOrganization,
} from "../support/fixtures/full-organization.js";

describe("row-level security", () => {
  let app: TestApp;
  let one: FullOrganization;
  let other: FullOrganization;
  let tables: string[];
  beforeAll(async () => {
    app = await startTestApp();
    one = await makeFullOrganization(await app.person("one"));
    other = await makeFullOrganization(await app.person("other"));
    for (const { owner, project, workspace } of [one, other]) {
      const { agent } = await makeWorkspace(owner, project.id);
      await owner.api.workspaces.archive({ params: { agent_id: agent.id } });
      await queryAsOwner(
        app,
        `insert into checkpoint_looks (agent_id, org_id, looked_at)
         select agent_id, org_id, now() from workspaces where agent_id = $1`,
        [agent.id],
      );
      const { workspace: rival } = await makeWorkspace(owner, project.id);
      await commitFiles(owner, workspace, { "rivals.txt": "one" });
      await commitFiles(owner, rival, { "rivals.txt": "other" });
      await vi.waitFor(
        async () => {
          const { data } = await owner.api.radar.project({ params: { project_id: project.id } });
          expect(data.total_pairs).toBe(1);
        },
        { timeout: 120_000, interval: 100 },
      );
      await owner.api.usage.disk({ params: { org_id: project.organization_id } });
      // A merge and a push in progress.
      await queryAsOwner(
        app,
        `insert into merges_under_way (id, org_id, agent_id, until) values ($1, $2, $3, now())`,
        [randomUUID(), project.organization_id, workspace.agent_id],
      );
      await queryAsOwner(
        app,
        `insert into pending_pushes (id, org_id, project_id, ref, new_sha, origin)
         values ($1, $2, $3, 'refs/heads/x', $4, '{}')`,
        [randomUUID(), project.organization_id, project.id, "0".repeat(40)],
      );
      await queryAsOwner(
        app,
        `insert into merge_request_approvals (request_id, approver_id, org_id, approver)
         select id, $2, org_id, '{}' from merge_requests where project_id = $1`,
        [project.id, owner.id],
      );
      await queryAsOwner(
        app,
        `insert into protection_change_approvals (change_id, approver_id, org_id, approver)
         select id, $2, org_id, '{}' from protection_changes where project_id = $1`,
        [project.id, owner.id],
      );
      const { data: task } = await owner.api.tasks.create({
        params: { project_id: project.id },
        body: { body: "Split the cart", start: false },
      });
      const attemptId = await insertAttempt(app, task.id, workspace.agent_id, randomUUID());
      await insertReview(app, { taskId: task.id, attemptId, userId: owner.id });
      await insertOpinion(app, attemptId);
      const { forgeId, pullRequestId } = await insertForge(app, attemptId);
      await insertForgeEvents(app, { forgeId, pullRequestId });
      await insertAutomation(app, project.id, owner.id);
      await queryAsOwner(
        app,
        `insert into project_repositories (project_id, org_id, forge_id, name, web_url)
         values ($1, $2, $3, 'acme/shop', 'https://forge.invalid/acme/shop')`,
        [project.id, project.organization_id, forgeId],
      );
      await queryAsOwner(
        app,
        `insert into forge_handshakes (id, org_id, user_id, session_id, step, forge_id, url, api_url, expires_at)
         values ($1::uuid::text, $2, $3, $1::uuid, 'manifest', $1::uuid, '', '', now())`,
        [randomUUID(), project.organization_id, owner.id],
      );
      await queryAsOwner(
        app,
        "insert into task_dependencies (task_id, depends_on, org_id) select id, id, org_id from tasks where id = $1",
        [task.id],
      );
      await queryAsOwner(
        app,
        "insert into task_assignees (task_id, user_id, org_id) select id, owner_id, org_id from tasks where id = $1",
        [task.id],
      );
      await queryAsOwner(
        app,
        `insert into commit_checks (id, org_id, project_id, agent_id, branch, commit_sha, name,
           definition, definition_hash, status)
         values ($1, $2, $3, $4, 'main', $5, 'test', '{}', '', 'queued')`,
        [randomUUID(), project.organization_id, project.id, workspace.agent_id, "0".repeat(40)],
      );
      await queryAsOwner(
        app,
        `insert into log_objects (run_id, org_id, project_id, bucket, object_key)
         select id, org_id, $2, 'logs', 'key' from runs where org_id = $1 limit 1`,
        [project.organization_id, project.id],
      );
      await queryAsOwner(
        app,
        `insert into run_egress (id, org_id, run_id, host, port, decision, at, bytes_sent, bytes_received)
         select gen_random_uuid(), org_id, id, 'example.com', 443, 'denied', now(), 0, 0 from runs
         where org_id = $1 limit 1`,
        [project.organization_id],
      );
      await queryAsOwner(
        app,
        `insert into model_usage select org_id, id, 'anthropic', 'model', now(), 1, 1, 1, 0, 0, 0, 0
         from runs where org_id = $1 limit 1`,
        [project.organization_id],
      );
      await queryAsOwner(app, "insert into model_spending values ($1, $2, now(), 0, 0)", [
        project.organization_id,
        project.id,
      ]);
      await queryAsOwner(
        app,
        "insert into model_reservations values (gen_random_uuid(), $1, $2, $3, 0, 0, now())",
        [project.organization_id, project.id, workspace.agent_id],
      );
      await insertSession(app, randomUUID(), workspace.agent_id);
      await queryAsOwner(app, "insert into attention_dismissals values ($1, $2, 'x:y')", [
        project.organization_id,
        owner.id,
      ]);
      await owner.api.environments.set({ params: { project_id: project.id }, body: {} });
      await queryAsOwner(
        app,
        `insert into environment_builds (id, org_id, project_id, key, branch, commit_sha, definition,
           status, ended_at) values ($1, $2, $3, '', 'main', $4, '{}', 'failed', now())`,
        [randomUUID(), project.organization_id, project.id, "0".repeat(40)],
      );
      await queryAsOwner(app, "insert into redacted_audit_targets values ($1, $2)", [
        project.organization_id,
        randomUUID(),
      ]);
      await insertWebhook(app, project.organization_id, owner.id);
      await insertRunner(app, project.organization_id);
      await insertNotifications(app, project.organization_id, owner.id);
      await queryAsOwner(
        app,
        "insert into limit_states values ($1, $1, 'runtime_hours', 80, now())",
        [project.organization_id],
      );
      await makeServiceAccount(app, owner, project.organization_id);
      // With an unknown deploy key, so that nothing is imported.
      const import_url = "ssh://git@8.8.8.8/team/app.git";
      const { organization_id } = project;
      await owner.api.projects.create({ body: { organization_id, name: "Kept", import_url } });
    }
    tables = (
      await queryAsOwner<{ name: string }>(
        app,
        `select c.relname as name from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1`,
      )
    ).map(({ name }) => name);
  });
  afterAll(() => app.close());

  const count = async (tx: Queryable, table: string, orgId: string): Promise<number> => {
    const { rows } = await tx.execute<{ count: number }>(
      sql`select count(*)::int as count from ${sql.identifier(table)} where org_id = ${orgId}`,
    );
    return rows[0]?.count as number;
  };
  const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => "done",
      (error: { code?: string; cause?: { code?: string } }) => error.cause?.code ?? error.code,
    );

  test("is enabled, forced and has a policy on every tenant table", async () => {
    expect(tables.length).toBeGreaterThanOrEqual(10);
    const open = await queryAsOwner(
      app,
      `select relname from pg_class c where relnamespace = 'public'::regnamespace
         and relname = any($1) and not (relrowsecurity and relforcerowsecurity
         and exists (select from pg_policy where polrelid = c.oid))`,
      [[...tables, "organizations"]],
    );
    expect(open).toEqual([]);
  });

  /** What belongs to a person, such as keys: no organization's transaction sees any. */
  const personal = new Set(["api_keys", "notification_choices", "notifications"]);
  /** Rows that wait for the server, which may have taken them. */
  const passing = new Set(["notification_queue"]);

  test("shows an organization only its own rows, in every table", async () => {
    for (const table of tables) {
      const [there] = await queryAsOwner<{ count: number }>(
        app,
        `select count(*)::int as count from ${table} where org_id = $1`,
        [other.id],
      );
      if (!passing.has(table)) expect([table, there?.count]).not.toEqual([table, 0]);
      const [own, foreign] = await app.db.tenant(one.id, async (tx) => [
        await count(tx, table, one.id),
        await count(tx, table, other.id),
      ]);
      expect([table, foreign]).toEqual([table, 0]);
      if (passing.has(table)) continue;
      expect([table, own === 0]).toEqual([table, personal.has(table)]);
    }
    const { rows } = await app.db.tenant(one.id, (tx) =>
      tx.execute(sql`select id from organizations`),
    );
    expect(rows).toEqual([{ id: one.id }]);
  });

  test("prevents changes and deletions of another organization's rows", async () => {
    const writes = [
      sql`update organizations set name = 'x' where id = ${other.id}`,
      sql`update projects set name = 'x' where org_id = ${other.id}`,
      sql`delete from memberships where org_id = ${other.id}`,
      sql`delete from merges`,
    ];
    for (const write of writes.slice(0, 3)) {
      const { rowCount } = await app.db.tenant(one.id, (tx) => tx.execute(write));
      expect(rowCount).toBe(0);
    }
    await app.db.tenant(one.id, (tx) => tx.execute(writes[3] as (typeof writes)[number]));
    const left = await queryAsOwner(app, "select org_id from merges");
    expect(left).toEqual([{ org_id: other.id }]);
  });

  test("prevents writing into another organization or referencing its rows", async () => {
    const agent = (orgId: string, projectId: string) =>
      sql`insert into agents (id, org_id, project_id, name)
          values (${randomUUID()}, ${orgId}, ${projectId}, ${randomUUID().slice(0, 8)})`;
    const as = (write: ReturnType<typeof sql>) =>
      outcomeOf(app.db.tenant(one.id, (tx) => tx.execute(write)));
    expect(await as(agent(one.id, one.project.id))).toBe("done");
    expect(await as(agent(other.id, other.project.id))).toBe("42501");
    expect(await as(agent(one.id, other.project.id))).toBe("23503");
    expect(await as(sql`update projects set org_id = ${other.id}`)).toBe("42501");
    expect(
      await as(sql`insert into roles (id, org_id, name, permissions)
        values (${randomUUID()}, null, 'superuser', '{*:*}')`),
    ).toBe("42501");
    const { rowCount } = await app.db.tenant(one.id, (tx) =>
      tx.execute(sql`update roles set permissions = '{*:*}' where id = ${randomUUID()}`),
    );
    expect(rowCount).toBe(0);
    expect(await as(sql`update roles set permissions = '{*:*}' where org_id is null`)).toBe(
      "42501",
    );
  });

  test("a connection without a tenant sees and writes nothing", async () => {
    const client = await app.db.systemPool.connect();
    try {
      await client.query(beginSystem);
      expect((await client.query("select from organizations")).rowCount).toBe(2);
      await client.query("commit");
      for (const table of [...tables, "organizations"]) {
        const where = table === "roles" ? "where org_id is not null" : "";
        const { rowCount } = await client.query(`select from ${table} ${where}`);
        expect([table, rowCount]).toEqual([table, 0]);
      }
      expect((await client.query("update organizations set name = 'x'")).rowCount).toBe(0);
    } finally {
      client.release(true);
    }
  });

  test("a transaction's tenant ends with it", async () => {
    await app.db.tenant(one.id, (tx) => tx.execute(sql`select 1`));
    const seen = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        app.db.tenant(index % 2 === 0 ? one.id : other.id, async (tx) => {
          const { rows } = await tx.execute<{ id: string }>(sql`select id from organizations`);
          return rows.map(({ id }) => id);
        }),
      ),
    );
    expect(seen).toEqual(seen.map((_, index) => [index % 2 === 0 ? one.id : other.id]));
    expect(() => app.db.tenant("' or true --", async () => null)).toThrow("must be a UUID");
  });

  test("the serving role owns nothing and cannot disable any of this", async () => {
    const ask = (text: string) => app.db.systemPool.query(text);
    const { rows } = await ask(
      `select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb as privileged,
         (select count(*)::int from pg_class where relowner = r.oid) as owned
       from pg_roles r where rolname = current_user`,
    );
    expect(rows).toEqual([{ privileged: false, owned: 0 }]);
    for (const statement of [
      "update schema_migrations set checksum = ''",
      "delete from schema_migrations",
      "insert into schema_migrations (name, checksum) values ('0002.sql', '')",
      "alter table projects disable row level security",
      "alter table projects no force row level security",
      "drop policy tenant on projects",
      "create policy all_of_it on projects using (true)",
      "create or replace function app_org_id() returns uuid language sql as $$ select null::uuid $$",
      "create table public.mine (id int)",
      "set session authorization postgres",
      "set role postgres",
      "truncate organizations",
    ]) {
      expect([statement, await outcomeOf(ask(statement))]).toEqual([statement, "42501"]);
    }
  });
});
