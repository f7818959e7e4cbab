/** Errors that calls declare for the state of what they name, each tried on every call that reads this state. */
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { ErrorCode } from "#shared/errors.js";
import { askIn, calls, fill, type Full, idsOf } from "../support/access/every-call.js";
import { queryAsOwner } from "../support/database/queries.js";
import {
  commitFiles,
  folderOf,
  makeWorkspace,
  mergeIntoBase,
} from "../support/fixtures/factories.js";
import { gitInRepository } from "../support/git/git.js";
import { problemOf } from "../support/http/raw-request.js";
import { expectProblem, startTestApp, type TestApp } from "../support/server/app.js";

let app: TestApp;
let full: Full;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const sql = (text: string, ...values: unknown[]) => queryAsOwner(app, text, values);

/** Creates an organization with one of everything, in which no run is in progress. */
async function prepare(): Promise<void> {
  full = await fill(app, await app.person("owner"));
  await endRuns();
}
const endRuns = () =>
  sql(
    "update runs set status = 'succeeded', ended_at = now() where org_id = $1 and ended_at is null",
    full.id,
  );

/** Makes a call of the owner with the ids of the organization. Returns its status and error code. */
async function ask(call: string): Promise<[number, ErrorCode | undefined]> {
  const endpoint = calls.find((known) => known.call === call)?.endpoint;
  if (endpoint === undefined) throw new Error(`no call ${call}`);
  const answer = await askIn(app)(call, endpoint, idsOf(full), full.owner.token);
  return [answer.status, answer.status < 400 ? undefined : problemOf(answer).code];
}

/** Makes all calls that declare an error, deletions last, each after `reset`. Returns those that answer with it. */
async function callsWith(code: ErrorCode, reset: () => Promise<unknown>): Promise<string[]> {
  const found: string[] = [];
  const declared = calls
    .filter(({ endpoint }) => endpoint.errors.includes(code))
    .toSorted((one, other) => Number(isDeletion(one.call)) - Number(isDeletion(other.call)));
  for (const { call } of declared) {
    await reset();
    if ((await ask(call))[1] === code) found.push(call);
  }
  return found.toSorted();
}
const isDeletion = (call: string) => call.endsWith(".delete");

describe("of a workspace", () => {
  const setStatus = async (status: string): Promise<void> => {
    await endRuns();
    await sql("update workspaces set status = $2 where agent_id = $1", full.agent.id, status);
  };
  const ofFolder = [
    "workspaces.changes",
    "workspaces.createCommit",
    "workspaces.createMerge",
    "workspaces.previewConflicts",
    "workspaces.previewMerge",
    "workspaces.sync",
  ];
  const withArchiving = ["agents.delete", "tasks.delete", "tasks.merge", "workspaces.archive"];

  test("that has expired: 410", async () => {
    await prepare();
    expect(await callsWith("workspace_expired", () => setStatus("expired"))).toEqual([
      "previews.create",
      "radar.workspace",
      "tasks.merge",
      "workspaces.archive",
      "workspaces.changes",
      "workspaces.commits",
      "workspaces.createCommit",
      "workspaces.createMerge",
      "workspaces.diff",
      "workspaces.get",
      "workspaces.merges",
      "workspaces.previewConflicts",
      "workspaces.previewMerge",
      "workspaces.restore",
      "workspaces.restoreVersion",
      "workspaces.revertMerge",
      "workspaces.sync",
      "workspaces.update",
    ]);
  });

  const ofReview = [
    "reviews.changes",
    "reviews.checks",
    "reviews.file",
    "reviews.getDraft",
    "reviews.publish",
    "reviews.saveDraft",
    "reviews.search",
    "reviews.setViewed",
  ];

  test("that is being created: 409", async () => {
    await prepare();
    const create = () =>
      sql(
        "update workspaces set status = 'creating', head_commit = null where agent_id = $1",
        full.agent.id,
      );
    const found = await callsWith("workspace_not_active", create);
    expect(found).toEqual(["opinions.ask", ...ofReview, "tasks.merge", ...ofFolder]);
  });

  test("whose branch was moved back: 409", async () => {
    await prepare();
    const { branch_name, parent_commit } = full.workspace;
    await gitInRepository(
      app,
      full.project,
      "update-ref",
      `refs/heads/${branch_name}`,
      parent_commit as string,
    );
    const found = await callsWith("repository_mismatch", endRuns);
    expect(found).toEqual([...withArchiving, ...ofFolder]);
  });

  test("that is archived: 409", async () => {
    await prepare();
    const found = await callsWith("workspace_not_active", () => setStatus("archived"));
    expect(found).toEqual(["tasks.merge", ...ofFolder]);
  });

  test("whose folder contains another repository: 422", async () => {
    await prepare();
    const inner = join(folderOf(full.workspace), "inner");
    await mkdir(join(inner, ".git"), { recursive: true });
    await writeFile(join(inner, ".git/HEAD"), "ref: refs/heads/main\n");
    expect(await callsWith("nested_repository", endRuns)).toEqual([...withArchiving, ...ofFolder]);
  });

  test("whose folder cannot be mounted: 503", async (context) => {
    await prepare();
    const layers = (await readdir(app.dataDir, { recursive: true })).filter((name) =>
      name.endsWith("/lower"),
    );
    if (layers.length === 0) context.skip("without the right to mount, folders have no layers");
    for (const name of layers)
      await rename(join(app.dataDir, name), join(app.dataDir, `${name}.away`));
    // The workspace of a child begins with the files of its parent.
    const { agents, workspaces } = full.owner.api;
    const { data: child } = await agents.create({
      body: { project_id: full.project.id, name: "child", parent_agent_id: full.agent.id },
    });
    await expectProblem(
      workspaces.create({ params: { agent_id: child.id } }),
      503,
      "folder_unavailable",
    );
    const found = await callsWith("folder_unavailable", endRuns);
    expect(found).toEqual([...withArchiving, ...ofFolder]);
  });

  test("whose branch moved since it was read, or is protected: 412, 409", async () => {
    await prepare();
    const { api } = full.owner;
    const params = { agent_id: full.agent.id };
    const body = { expected_source: "0".repeat(40) };
    const ofMerge = { ...params, merge_id: full.merge.id as string };
    await expectProblem(api.workspaces.previewMerge({ params, body }), 412, "stale");
    await expectProblem(api.workspaces.createMerge({ params, body }), 412, "stale");
    const target = { expected_target: "0".repeat(40) };
    await expectProblem(
      api.workspaces.revertMerge({ params: ofMerge, body: target }),
      412,
      "stale",
    );
    const { restoreVersion } = api.workspaces;
    const ofConflict = await makeConflict();
    const paths = ["shared.txt"];
    await expectProblem(
      restoreVersion({ params: ofConflict, body: { paths, ...target } }),
      412,
      "stale",
    );
    const protected_branches = [{ pattern: "main", checks: [full.checkName] }];
    await api.projects.update({
      params: { project_id: full.project.id },
      body: { protected_branches },
    });
    await expectProblem(
      restoreVersion({ params: ofConflict, body: { paths } }),
      409,
      "branch_protected",
    );
  });
});

/** Merges two workspaces that have the same new file. Returns the parameters of the merge with the conflict. */
async function makeConflict() {
  const { owner, project } = full;
  const [one, two] = [
    await makeWorkspace(owner, project.id),
    await makeWorkspace(owner, project.id),
  ];
  for (const { agent, workspace } of [one, two])
    await commitFiles(owner, workspace, { "shared.txt": agent.id });
  await mergeIntoBase(owner, one.workspace);
  const merge = await mergeIntoBase(owner, two.workspace);
  return { agent_id: two.agent.id, merge_id: merge.id as string };
}

describe("of other resources", () => {
  beforeAll(() => prepare());

  /** Inserts copies of the organization's one row of a table, with other names. */
  async function copyRows(table: string, copies: number): Promise<void> {
    const columns = await sql(
      "select column_name as name from information_schema.columns where table_name = $1",
      table,
    );
    const names = columns.map(({ name }) => name as string);
    const values = names.map((name) =>
      name === "id" ? "gen_random_uuid()" : name === "name" ? "name || number" : name,
    );
    await sql(
      `insert into ${table} (${names.join()}) select ${values.join()}
       from ${table}, generate_series(1, ${copies}) number where org_id = $1`,
      full.id,
    );
  }

  test("that are as many as may be: 409", async () => {
    await copyRows("forges", 19);
    expect(await ask("githubApps.manifest")).toEqual([409, "too_many_forges"]);
    await copyRows("automations", 199);
    expect(await ask("automations.create")).toEqual([409, "too_many_automations"]);
    await sql(
      `insert into review_comments (id, org_id, thread_id, review_id, author, body)
       select gen_random_uuid(), org_id, thread_id, review_id, author, body
       from review_comments, generate_series(1, 500) where thread_id = $1`,
      full.threadId,
    );
    expect(await ask("threads.reply")).toEqual([409, "too_many_comments"]);
  });

  test("whose forge does not answer: 422", async () => {
    await sql("update pull_requests set state = 'open' where id = $1", full.pullRequestId);
    for (const call of ["update", "ready", "close", "merge"])
      expect([call, ...(await ask(`pullRequests.${call}`))]).toEqual([
        call,
        422,
        "forge_unreachable",
      ]);
  });

  test("whose run does not end in half a minute: 409", async () => {
    await sql(
      "update runs set agent_id = $2, kind = 'managed', status = 'running', ended_at = null where id = $1",
      full.run.id,
      full.agent.id,
    );
    await sql(
      "update agent_sessions set status = 'working', turn_started_at = now() where id = $1",
      full.sessionId,
    );
    const asked = ask("tasks.stop");
    const isStopped = async () =>
      (await sql("select stop_status as at from runs where id = $1", full.run.id))[0]?.["at"];
    await expect.poll(isStopped).not.toBeNull();
    // The wait has begun when its first look at the runs is over.
    await new Promise((resolve) => setTimeout(resolve, 300));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31_000 });
    try {
      expect(await asked).toEqual([409, "run_in_progress"]);
    } finally {
      vi.useRealTimers();
      await endRuns();
    }
  });

  test("in use, open, finished, managed or of a taken name: 409", async () => {
    const { api } = full.owner;
    await sql(
      "update opinions set status = 'queued', ended_at = null where id = $1",
      full.opinionId,
    );
    expect(await ask("opinions.dismiss")).toEqual([409, "opinion_open"]);
    await ask("tasks.delete");
    expect(await ask("reviews.saveDraft")).toEqual([409, "task_finished"]);
    await sql("update tasks set held_since = now() where id = $1", full.task.id);
    expect(await ask("tasks.release")).toEqual([409, "task_finished"]);
    const params = { org_id: full.id };
    await api.roles.create({ params, body: { name: "taken", permissions: [] } });
    await expectProblem(
      api.roles.update({ params: { ...params, role_id: full.roleId }, body: { name: "taken" } }),
      409,
      "role_name_taken",
    );
    const protected_branches = [{ pattern: "main", checks: [full.checkName] }];
    await api.projects.update({
      params: { project_id: full.project.id },
      body: { protected_branches },
    });
    expect(await ask("mergeQueue.deleteCheck")).toEqual([409, "check_in_use"]);
    await sql(
      "update runs set kind = 'check', status = 'running', ended_at = null where id = $1",
      full.run.id,
    );
    expect(await ask("runs.stop")).toEqual([409, "run_managed"]);
    expect(await ask("runs.heartbeat")).toEqual([409, "run_managed"]);
  });

  test("of a forge that is gone, or has an App: 409", async () => {
    await sql("update pull_requests set forge_id = null where id = $1", full.pullRequestId);
    expect(await ask("pullRequests.refresh")).toEqual([409, "no_repository"]);
    await sql("update forges set auth = 'app' where id = $1", full.forgeId);
    expect(await ask("forges.rotateWebhookSecret")).toEqual([409, "forge_app_secret"]);
  });

  test("whose log is in a storage that the server does not know: 503", async () => {
    await sql(
      `insert into log_objects (run_id, org_id, project_id, state, bucket, object_key, bytes, sha256, last_output_at, stored_at)
       values ($1, $2, $3, 'stored', 'logs', 'gone', 1, '', now(), now())`,
      full.run.id,
      full.id,
      full.project.id,
    );
    expect(await ask("runs.logs")).toEqual([503, "log_unavailable"]);
  });

  test("that a key may not read: 403", async () => {
    const scopes = [`org:${full.slug}:org:read`];
    const { data: key } = await full.owner.api.apiKeys.create({ body: { name: "narrow", scopes } });
    const { projects, runs, agentSessions } = app.client(key.key as string);
    const query = { organization_id: full.id };
    for (const list of [projects.list, runs.listAll, agentSessions.listAll])
      await expectProblem(list({ query }), 403, "insufficient_permission");
  });
});

test("a project that cannot move, and a move that has ended: 409", async () => {
  await prepare();
  await sql("update users set is_super_admin = true where id = $1", full.owner.id);
  await sql("insert into nodes (id, name) values (gen_random_uuid(), 'away')");
  const { projectMoves } = full.owner.api;
  const params = { project_id: full.project.id };
  await expectProblem(
    projectMoves.start({ params, body: { node: "away" } }),
    409,
    "node_unavailable",
  );
  await sql(
    `insert into project_moves (id, project_id, from_node, to_node, state)
     select gen_random_uuid(), $1, id, id, 'canceled' from nodes where name = 'away'`,
    full.project.id,
  );
  expect(await ask("projectMoves.cancel")).toEqual([409, "nothing_to_cancel"]);
});

test("a doctor that already checks: 409", async () => {
  await prepare();
  await sql("update users set is_super_admin = true where id = $1", full.owner.id);
  let release = (): void => {};
  let held: Promise<unknown> = Promise.resolve();
  await new Promise<void>((begin) => {
    held = app.db.tryLock("doctor", () => {
      begin();
      return new Promise<void>((resolve) => (release = resolve));
    });
  });
  expect(await ask("doctor.run")).toEqual([409, "doctor_running"]);
  release();
  await held;
  expect(await ask("doctor.run")).toEqual([200, undefined]);
});

test("too many letters and links: 429", async () => {
  await prepare();
  const { auth } = app.client();
  const body = { email: full.owner.email };
  for (let sent = 0; sent < 5; sent += 1) await auth.resendVerification({ body });
  await expectProblem(auth.resendVerification({ body }), 429, "rate_limited");
  const reset = () =>
    auth.resetPassword({ body: { token: "x".repeat(43), new_password: "correct horse staple" } });
  for (let tried = 0; tried < 30; tried += 1) await expectProblem(reset(), 400, "invalid_link");
  await expectProblem(reset(), 429, "rate_limited");
});
