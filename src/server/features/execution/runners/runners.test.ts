import { afterAll, beforeAll, expect, test } from "vitest";
import type { Runner } from "#shared/api/execution/runners.js";
import { keyLength } from "#shared/node/key-text.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { insertRunnerRun, makeRunner, reportRunner } from "#test/support/runners/runners.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { hashRunnerToken } from "./manage-runners.js";

let app: TestApp;
let root: TestPerson;
let ann: TestPerson;
beforeAll(async () => {
  app = await startTestApp();
  root = await app.person("root");
  ann = await app.person("ann");
});
afterAll(() => app.close());

const paramsOf = ({ id }: Pick<Runner, "id">) => ({ runner_id: id });
const read = async (runner: Pick<Runner, "id">): Promise<Runner> =>
  (await root.api.runners.get({ params: paramsOf(runner) })).data;
const eventsOf = async (runner: Pick<Runner, "id">) =>
  (await root.api.admin.auditEvents({ query: {} })).data
    .filter(({ target }) => target?.id === runner.id)
    .map(({ action, changes, target }) => ({ action, changes, target }))
    .toReversed();

test("a registered runner is offline until it reports, and its token is stored as a hash", async () => {
  const { data, headers } = await root.api.runners.create({ body: { name: " gpu-1 " } });
  const { token, ...runner } = data;
  expect(runner).toEqual({
    id: expect.any(String) as string,
    name: "gpu-1",
    kind: "machine",
    organization_id: null,
    status: "offline",
    paused: false,
    labels: [],
    slots: 0,
    running: 0,
    host: null,
    version: null,
    last_seen_at: null,
    created_at: expect.any(String) as string,
  });
  expect(headers.get("location")).toBe(`/api/v1/admin/runners/${runner.id}`);
  expect(token).toMatch(/^omoi_runner_[0-9A-Za-z]{36}$/);
  expect(token).toHaveLength(keyLength("omoi_runner_"));
  const [row] = await queryAsOwner<{ token_hash: Buffer; created_by: string }>(
    app,
    "select token_hash, created_by from runners where id = $1",
    [runner.id],
  );
  expect(row?.token_hash).toEqual(hashRunnerToken(app.db.verificationKey, token as string));
  expect(row?.created_by).toBe(root.id);
  expect(await read(runner)).toEqual(runner);
  const target = { type: "runner", id: runner.id, name: "gpu-1" };
  expect(await eventsOf(runner)).toEqual([{ action: "runner.registered", changes: {}, target }]);
});

test("a repeated request shows the token only once", async () => {
  const again = { headers: { "idempotency-key": "register-once" } };
  const body = { name: "once" };
  const first = await root.api.runners.create({ body }, again);
  const second = await root.api.runners.create({ body }, again);
  expect(first.data.token).toMatch(/^omoi_runner_/);
  expect(second.data).toEqual({ ...first.data, token: null });
});

test("a runner is online for a minute after it was heard of, and paused if it is", async () => {
  const runner = await makeRunner(root, "status");
  await reportRunner(app, runner.id, 50);
  expect(await read(runner)).toMatchObject({
    status: "online",
    labels: ["linux", "gpu"],
    slots: 4,
    host: "box",
    version: "0.1.0",
  });
  await root.api.runners.update({ params: paramsOf(runner), body: { paused: true } });
  expect(await read(runner)).toMatchObject({ status: "paused", paused: true });
  await reportRunner(app, runner.id, 61);
  expect(await read(runner)).toMatchObject({ status: "offline", paused: true });
});

test("renaming, pausing and resuming are recorded, and no change is no event", async () => {
  const runner = await makeRunner(root, "before");
  const update = (body: { name?: string; paused?: boolean }) =>
    root.api.runners.update({ params: paramsOf(runner), body });
  expect((await update({ name: "after", paused: true })).data).toMatchObject({
    name: "after",
    paused: true,
  });
  await update({ name: "after", paused: true });
  await update({});
  expect((await update({ paused: false })).data.paused).toBe(false);
  // The case of its own name is free to change.
  expect((await update({ name: "After" })).data.name).toBe("After");
  expect((await eventsOf(runner)).map(({ action, changes }) => [action, changes])).toEqual([
    ["runner.registered", {}],
    ["runner.renamed", { name: { from: "before", to: "after" } }],
    ["runner.paused", { paused: { from: false, to: true } }],
    ["runner.resumed", { paused: { from: true, to: false } }],
    ["runner.renamed", { name: { from: "after", to: "After" } }],
  ]);
});

test("names are unique without regard to case", async () => {
  await makeRunner(root, "taken");
  const other = await makeRunner(root, "other");
  const create = root.api.runners.create({ body: { name: "TAKEN" } });
  await expectProblem(create, 409, "runner_name_taken");
  const rename = root.api.runners.update({ params: paramsOf(other), body: { name: "Taken" } });
  await expectProblem(rename, 409, "runner_name_taken");
  expect((await read(other)).name).toBe("other");
});

test("concurrent registrations with one name register one runner", async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 5 }, () => root.api.runners.create({ body: { name: "raced" } })),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("a paused runner loses its offers, not its runs", async () => {
  const organization = await makeOrganization(root);
  const project = await makeProject(root, organization.id);
  const runner = await makeRunner(root, "busy");
  const [first, second] = [await makeAgent(root, project.id), await makeAgent(root, project.id)];
  const runnerId = runner.id;
  const queued = await insertRunnerRun(app, { agentId: first.id, runnerId, status: "queued" });
  await insertRunnerRun(app, { agentId: second.id, runnerId, status: "running" });
  expect((await read(runner)).running).toBe(1);
  await root.api.runners.update({ params: paramsOf(runner), body: { paused: true } });
  expect((await read(runner)).running).toBe(1);
  expect(
    await queryAsOwner(app, "select runner_id, offered_until, status from runs where id = $1", [
      queued,
    ]),
  ).toEqual([{ runner_id: null, offered_until: null, status: "queued" }]);
});

test("the runs of a removed runner end as lost, and its offers return to the queue", async () => {
  const organization = await makeOrganization(root);
  const project = await makeProject(root, organization.id);
  const runner = await makeRunner(root, "removed");
  const kept = await makeRunner(root, "kept");
  const agents = [];
  for (let count = 0; count < 3; count += 1) agents.push(await makeAgent(root, project.id));
  const [one = "", two = "", three = ""] = agents.map(({ id }) => id);
  const running = await insertRunnerRun(app, {
    agentId: one,
    runnerId: runner.id,
    status: "running",
  });
  const queued = await insertRunnerRun(app, {
    agentId: two,
    runnerId: runner.id,
    status: "queued",
  });
  const others = await insertRunnerRun(app, {
    agentId: three,
    runnerId: kept.id,
    status: "running",
  });
  await root.api.runners.delete({ params: paramsOf(runner) });
  await expectProblem(root.api.runners.get({ params: paramsOf(runner) }), 404, "not_found");
  const { data: lost } = await root.api.runs.get({ params: { run_id: running } });
  expect(lost).toMatchObject({
    status: "lost",
    detail: "Its runner removed was removed.",
    lease_expires_at: null,
  });
  expect(lost.ended_at).not.toBeNull();
  const rows = await queryAsOwner<{ id: string }>(
    app,
    `select id, status, runner_id, token_hash is null as ended from runs where id = any($1)`,
    [[running, queued, others]],
  );
  expect(new Map(rows.map(({ id, ...row }) => [id, row]))).toEqual(
    new Map<string, unknown>([
      [running, { status: "lost", runner_id: null, ended: true }],
      [queued, { status: "queued", runner_id: null, ended: true }],
      [others, { status: "running", runner_id: kept.id, ended: false }],
    ]),
  );
  expect((await eventsOf(runner)).at(-1)?.action).toBe("runner.removed");
  // The name is free again.
  await makeRunner(root, "removed");
});

test("members see the runners that take runs of their organization, and count their own runs", async () => {
  const mine = await makeOrganization(ann);
  const theirs = await makeOrganization(root);
  const shared = await makeRunner(root, "z-shared");
  const own = await makeRunner(root, "z-own", mine.id);
  const foreign = await makeRunner(root, "z-foreign", theirs.id);
  const agent = await makeAgent(root, (await makeProject(root, theirs.id)).id);
  await insertRunnerRun(app, { agentId: agent.id, runnerId: shared.id, status: "running" });
  const seen = async (person: TestPerson, orgId: string) =>
    (
      await person.api.runners.available({ params: { org_id: orgId }, query: { limit: 200 } })
    ).data.filter(({ name }) => name.startsWith("z-"));
  expect((await seen(ann, mine.slug)).map(({ id, running }) => [id, running])).toEqual([
    [own.id, 0],
    [shared.id, 0],
  ]);
  expect((await seen(root, theirs.id)).map(({ id, running }) => [id, running])).toEqual([
    [foreign.id, 0],
    [shared.id, 1],
  ]);
  expect((await eventsOf(own))[0]?.changes).toEqual({
    organization_id: { from: null, to: mine.id },
  });
  const stranger = ann.api.runners.available({ params: { org_id: theirs.id }, query: {} });
  await expectProblem(stranger, 404, "not_found");
  const signedOut = app.client().runners.available({ params: { org_id: mine.id }, query: {} });
  await expectProblem(signedOut, 401, "unauthenticated");
});

test("pages of the list follow the names", async () => {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await root.api.runners.list({ query: { limit: 2, cursor } });
    names.push(...page.data.map(({ name }) => name));
    cursor = /cursor=([^&>]+)/.exec(page.headers.get("link") ?? "")?.[1];
  } while (cursor !== undefined);
  const { data } = await root.api.runners.list({ query: { limit: 200 } });
  expect(names).toEqual(data.map(({ name }) => name));
  expect(names.length).toBeGreaterThan(4);
  await expectProblem(root.api.runners.list({ query: { cursor: "x" } }), 422, "validation_failed");
});

test("names and organizations are checked", async () => {
  for (const name of ["", "  ", "x".repeat(101), "a\u0000b"]) {
    const bad = root.api.runners.create({ body: { name } });
    await expectProblem(bad, 422, "validation_failed");
  }
  const unknown = root.api.runners.create({ body: { name: "x", organization_id: ann.id } });
  await expectProblem(unknown, 422, "validation_failed");
  const runner = await makeRunner(root, "checked");
  const empty = root.api.runners.update({ params: paramsOf(runner), body: { name: "" } });
  await expectProblem(empty, 422, "validation_failed");
});

test("a stale change is rejected", async () => {
  const runner = await makeRunner(root, "stale");
  const stale = root.api.runners.update(
    { params: paramsOf(runner), body: { paused: true } },
    { headers: { "if-match": '"x"' } },
  );
  await expectProblem(stale, 412, "stale");
  expect((await read(runner)).paused).toBe(false);
});

test("other users and unknown runners get 404", async () => {
  const params = paramsOf(await makeRunner(root, "secret"));
  const body = { name: "x" };
  await expectProblem(ann.api.runners.list({ query: {} }), 404, "not_found");
  await expectProblem(ann.api.runners.create({ body }), 404, "not_found");
  await expectProblem(ann.api.runners.get({ params }), 404, "not_found");
  await expectProblem(ann.api.runners.update({ params, body }), 404, "not_found");
  await expectProblem(ann.api.runners.delete({ params }), 404, "not_found");
  const unknown = { runner_id: ann.id };
  await expectProblem(root.api.runners.get({ params: unknown }), 404, "not_found");
  await expectProblem(root.api.runners.update({ params: unknown, body }), 404, "not_found");
  await expectProblem(root.api.runners.delete({ params: unknown }), 404, "not_found");
  await expectProblem(app.client().runners.list({ query: {} }), 401, "unauthenticated");
});
