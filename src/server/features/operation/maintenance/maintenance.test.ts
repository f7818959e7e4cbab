import { Client as McpClient, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { api } from "#shared/api/index.js";
import type { NewRun } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { maintenanceId } from "#shared/first-answers.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { createGitKey, openCloneFactory } from "#test/support/git/clone.js";
import { problemOf, send } from "#test/support/http/raw-request.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner } from "#test/support/runners/scripted-runner.js";
import "#test/support/server/built-files.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

const message = "Moving to a new disk, back at 18:00 UTC.";

describe("maintenance", () => {
  let app: TestApp;
  let root: TestPerson;
  let ann: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
    root = await app.person("root");
    ann = await app.person("ann");
    org = await makeOrganization(ann);
    project = await makeProjectWith(ann, org.id, { "a.txt": "a\n" });
  });
  afterEach(() => root.api.maintenance.end());
  afterAll(() => app.close());

  const begin = () => root.api.maintenance.start({ body: { message } });
  const rename = (by = ann.api) =>
    by.organizations.update({ params: { org_id: org.id }, body: { description: "changed" } });
  const stateOfRun = async (id: string) =>
    (await ann.api.runs.get({ params: { run_id: id } })).data.status;
  /** The jobs of a kind that wait. */
  const jobsOf = (name: string) =>
    queryAsOwner(app, "select from pgboss.job where name like $1 and state < 'active'", [
      `${name}.%`,
    ]);
  const actions = async () =>
    (await root.api.admin.auditEvents({ query: { limit: 3 } })).data
      .map(({ action, changes }) => [action, changes["message"]?.to])
      .toReversed();

  test("refuses writes with the message, and goes on reading", async () => {
    const { agent } = await makeWorkspace(ann, project.id);
    expect((await ann.api.maintenance.status()).data).toEqual({
      active: false,
      message: null,
      since: null,
    });
    const { data: state } = await begin();
    expect(state).toMatchObject({ active: true, message });
    expect((await app.client().maintenance.status()).data).toEqual(state);
    const answer = await send(app, "PATCH", `/api/v1/organizations/${org.id}`, {
      token: ann.token,
      body: { description: "changed" },
    });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "60"]);
    expect(problemOf(answer)).toMatchObject({
      code: "maintenance",
      detail: `Omoi is in maintenance, and nothing can be changed until it ends: ${message}`,
    });
    const { data: read } = await ann.api.organizations.get({ params: { org_id: org.id } });
    expect(read.description).toBeNull();
    await ann.api.projects.get({ params: { project_id: project.id } });
    // A run cannot be started, nor an account be created.
    const run = { params: { agent_id: agent.id }, body: { command: ["true"], queue: true } };
    await expectProblem(ann.api.runs.create(run), 503, "maintenance");
    const account = { email: "new@example.com", password: "correct staple horse" };
    await expectProblem(app.client().auth.register({ body: account }), 503, "maintenance");
    await root.api.maintenance.end();
    expect((await rename()).data.description).toBe("changed");
  });

  test("leaves sign-in, what ends running work, and the calls of super admins", async () => {
    await begin();
    const { email, password } = ann;
    const { data: tokens } = await app.client().auth.login({ body: { email, password } });
    const session = app.client(tokens.access_token);
    await session.auth.me();
    const body = { refresh_token: tokens.refresh_token };
    const { data: renewed } = await app.client().auth.refresh({ body });
    expect((await app.client(renewed.access_token).auth.logout()).status).toBe(204);
    expect((await root.api.admin.enable({ params: { user_id: ann.id } })).status).toBe(200);
    const calls = Object.entries(api).flatMap(([resource, named]) =>
      Object.entries(named as Record<string, Endpoint>)
        .filter(([, call]) => call.inMaintenance && !call.safe && call.access !== "super-admin")
        .map(([name]) => `${resource}.${name}`),
    );
    expect(calls).toEqual([
      "auth.login",
      "auth.refresh",
      "auth.logout",
      "auth.endSession",
      "auth.endOtherSessions",
      "secondFactor.login",
      "passkeys.loginOptions",
      "passkeys.login",
      "deviceLogin.start",
      "deviceLogin.token",
      "deviceLogin.approve",
      "deviceLogin.deny",
      "runs.heartbeat",
      "runs.stop",
      "agentSessions.cancel",
      "agentSessions.answer",
      "agentSessions.close",
      "workspaces.previewConflicts",
      "previews.create",
    ]);
  });

  test("is begun and ended by super admins alone, with one line as its message", async () => {
    for (const call of [
      () => ann.api.maintenance.get(),
      () => ann.api.maintenance.start({ body: { message } }),
      () => ann.api.maintenance.end(),
    ]) {
      await expectProblem(call(), 404, "not_found");
    }
    const anonymous = app.client().maintenance;
    await expectProblem(anonymous.start({ body: { message } }), 401, "unauthenticated");
    await expectProblem(anonymous.end(), 401, "unauthenticated");
    for (const refused of ["", "  ", "two\nlines", "x".repeat(501)]) {
      const call = root.api.maintenance.start({ body: { message: refused } });
      await expectProblem(call, 422, "validation_failed");
    }
    const { data } = await root.api.maintenance.start({ body: { message: "x".repeat(500) } });
    expect(data.message).toHaveLength(500);
    // Another super admin has changed it meanwhile.
    const seen = await root.api.maintenance.get();
    await begin();
    const headers = { "if-match": seen.headers.get("etag") ?? "" };
    const late = root.api.maintenance.start({ body: { message: "late" } }, { headers });
    await expectProblem(late, 412, "stale");
    expect((await root.api.maintenance.get()).data.since).toBe(data.since);
  });

  test("is recorded once for each change", async () => {
    await begin();
    await begin();
    await root.api.maintenance.start({ body: { message: "longer" } });
    await root.api.maintenance.end();
    await root.api.maintenance.end();
    expect(await actions()).toEqual([
      ["maintenance.started", message],
      ["maintenance.changed", "longer"],
      ["maintenance.ended", null],
    ]);
  });

  test("lets git fetch, and refuses a push in words of the operator", async () => {
    const clones = await openCloneFactory();
    const key = await createGitKey(ann);
    const clone = await clones.clone(project.clone_url, key);
    await clone.commit({ "b.txt": "b\n" });
    await begin();
    const refused = await clone.push("HEAD:refs/heads/topic");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain(message);
    await clones.clone(project.clone_url, key);
    await root.api.maintenance.end();
    expect((await clone.push("HEAD:refs/heads/topic")).code).toBe(0);
    await clones.dispose();
  });

  test("refuses tools that write with the message, and answers those that read", async () => {
    const client = new McpClient({ name: "test", version: "1" });
    await client.connect(
      new StreamableHTTPClientTransport(new URL("/mcp", app.url), {
        requestInit: { headers: { authorization: `Bearer ${ann.token}` } },
      }),
    );
    await begin();
    const made = await client.callTool({
      name: "create_agent",
      arguments: { project_id: project.id, name: "by-tool" },
    });
    expect(made.isError).toBe(true);
    expect(JSON.stringify(made.content)).toContain(message);
    const listed = await client.callTool({
      name: "list_projects",
      arguments: { organization_id: org.id },
    });
    expect(listed.isError ?? false).toBe(false);
    expect(JSON.stringify(listed.content)).toContain(project.id);
    await client.close();
  });

  test("lets a run end and save its work, and starts the queued ones afterwards", async () => {
    const params = { org_id: org.id };
    await ann.api.organizations.update({ params, body: { max_concurrent_agents: 1 } });
    const [first, second] = [
      await makeWorkspace(ann, project.id),
      await makeWorkspace(ann, project.id),
    ];
    const start = async (agent_id: string, body: Partial<NewRun>) =>
      (await ann.api.runs.create({ params: { agent_id }, body: { queue: true, ...body } })).data;
    const untilTold = shell("until [ -e go ]; do sleep 0.02; done; echo done > saved.txt");
    const running = await start(first.agent.id, { command: untilTold });
    await waitForRun(ann, running.id, ({ status }) => status === "running");
    const queued = await start(second.agent.id, { command: ["true"] });
    expect(queued.status).toBe("queued");
    await begin();
    await writeFile(join(folderOf(first.workspace), "go"), "");
    expect((await waitForRunEnd(ann, running.id)).status).toBe("succeeded");
    const { data: commits } = await ann.api.workspaces.commits({
      params: { agent_id: first.agent.id },
      query: {},
    });
    expect(commits[0]?.commit_type).toBe("checkpoint");
    // The job that starts the next run waits.
    await expect.poll(async () => (await jobsOf("start-queued-runs")).length).toBeGreaterThan(0);
    expect(await stateOfRun(queued.id)).toBe("queued");
    await root.api.maintenance.end();
    expect((await waitForRunEnd(ann, queued.id)).status).toBe("succeeded");
  });

  test("offers runners no runs, and takes the reports of their runs", async () => {
    const remote = await makeOrganization(ann);
    const own = await makeProjectWith(ann, remote.id, { "a.txt": "a\n" });
    const runner = await registerRunner(app, { orgId: remote.id });
    const queue = async () => startRemote(ann, (await makeRemote(ann, own.id)).agent, {});
    const running = await queue();
    await runner.take();
    const [offered, waiting] = [await queue(), await queue()];
    expect(await runner.ask({ free: 1 })).toEqual([offered.id]);
    await begin();
    expect(await runner.ask({ free: 5 })).toEqual([]);
    const refused = await runner.start(offered.id);
    expect([refused.status, refused.body]).toEqual([
      503,
      expect.objectContaining({ code: "maintenance" }),
    ]);
    expect(await stateOfRun(offered.id)).toBe("queued");
    expect(await runner.heartbeat(running.id)).toEqual({ run_id: running.id, state: "run" });
    const log = await runner.send("POST", `/runs/${running.id}/log?offset=0`, {
      type: "application/x-ndjson",
      body: `${JSON.stringify({ stream: "stdout", at: new Date().toISOString(), text: "x\n" })}\n`,
    });
    expect(log.status).toBe(200);
    expect((await runner.end(running.id)).status).toBe(204);
    expect(await stateOfRun(running.id)).toBe("succeeded");
    await root.api.maintenance.end();
    expect((await runner.start(offered.id)).status).toBe(200);
    expect(await runner.ask({ free: 5 })).toEqual([waiting.id]);
  });

  test("is part of each page while it lasts", async () => {
    const open = async (path: string) =>
      (await send(app, "GET", path, { headers: { accept: "text/html" } })).text;
    expect(await open("/login")).not.toContain(`id="${maintenanceId}"`);
    await root.api.maintenance.start({ body: { message: "</script><b>" } });
    for (const path of ["/login", "/projects", "/nowhere"]) {
      const page = await open(path);
      expect(page).toContain(`id="${maintenanceId}"`);
      expect(page).toContain("\\u003c/script>\\u003cb>");
    }
  });
});
