import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { createTestDatabase } from "../support/server/app.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import {
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "../support/fixtures/factories.js";
import { queryAsOwner, databaseUrlOf } from "../support/database/queries.js";
import { followLog, shell, waitForRunEnd, waitForRun } from "../support/fixtures/runs.js";
import { processesWith } from "../support/sandbox/test-sandbox.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

/** Marks the command line of every process left by these runs. */
const marker = `97${process.pid}.25`;

describe("two server processes on one PostgreSQL, one of which is killed", () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let dataDir: string;
  let token: string;
  let orgId: string;
  let doomed: ServerProcess;
  let survivor: ServerProcess;
  let doomedUrl: string;
  let survivorUrl: string;
  const workspaces: Workspace[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
    const env = {
      OMOI_DATABASE_URL: databaseUrlOf(database),
      OMOI_SECRET: database.secret,
      OMOI_DATA_DIR: dataDir,
    };
    doomed = startServer(env);
    doomedUrl = await doomed.ready;
    survivor = startServer(env);
    survivorUrl = await survivor.ready;
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(doomedUrl).auth.register({ body: person });
    token = (await clientOf(doomedUrl).auth.login({ body: person })).data.access_token;
    const owner = { api: clientOf(doomedUrl, token) };
    orgId = (await makeOrganization(owner)).id;
    const project = await makeProject(owner, orgId);
    for (let number = 0; number < 4; number += 1) {
      workspaces.push((await makeWorkspace(owner, project.id)).workspace);
    }
  });
  afterAll(async () => {
    for (const { process } of [doomed, survivor]) process.kill("SIGTERM");
    await Promise.all([doomed.ended, survivor.ended]);
    await removeDataFolder(dataDir);
  });

  async function start(url: string, { agent_id }: Workspace, script: string): Promise<Run> {
    const body = { command: shell(script), queue: true };
    const { data } = await clientOf(url, token).runs.create({ params: { agent_id }, body });
    return data;
  }
  const waitForFile = (workspace: Workspace, name: string) =>
    expect.poll(() => readFile(join(folderOf(workspace), name)).catch(() => null)).not.toBeNull();

  test("its runs are lost at their last heartbeat, the other's continue, and queued ones start", async () => {
    const [one, two, three, four] = workspaces as [Workspace, Workspace, Workspace, Workspace];
    const api = clientOf(survivorUrl, token);
    await api.organizations.update({
      params: { org_id: orgId },
      body: { max_concurrent_agents: 3 },
    });
    const daemon = `(setsid sleep ${marker} &); echo said; echo kept > kept.txt; touch up; sleep ${marker}`;
    const lost = await start(doomedUrl, one, daemon);
    const stopping = await start(
      doomedUrl,
      two,
      `trap '' TERM; touch up; while :; do sleep ${marker}; done`,
    );
    const other = await start(
      survivorUrl,
      three,
      "touch up; until test -e go; do sleep 0.05; done",
    );
    const waiting = await start(survivorUrl, four, "echo started > started.txt");
    expect(waiting.queue_position).toBe(1);
    for (const workspace of [one, two, three]) await waitForFile(workspace, "up");
    // A reader at the other process receives the end, too.
    const followed = followLog({ url: survivorUrl }, { token }, lost.id);
    // A stop request at the surviving process for a run of the killed one.
    const asked = api.runs.stop({ params: { run_id: stopping.id } });
    await waitForRun({ api }, stopping.id, ({ stop_requested }) => stop_requested);
    const before = await lastSignOf(lost);
    const killedAt = Date.now();
    doomed.process.kill("SIGKILL");
    await doomed.ended;
    await expect.poll(() => processesWith(marker)).toEqual([]);

    const ended = await waitForRunEnd({ api }, lost.id);
    expect(ended).toMatchObject({ status: "lost", exit_code: null, lease_expires_at: null });
    expect(ended.detail).toContain("ended without warning");
    const at = Date.parse(ended.ended_at as string);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(killedAt);
    expect(ended.runtime_seconds).toBeCloseTo((at - Date.parse(ended.started_at as string)) / 1000);
    const untilSaved = waitForRun({ api }, lost.id, ({ checkpoint }) => checkpoint !== null);
    expect((await untilSaved).checkpoint?.commit_sha).toMatch(/^[0-9a-f]{40}$/);
    expect((await asked).data).toMatchObject({ status: "lost" });
    const log = await followed;
    expect(log.events.map(({ text }) => text).join("")).toBe("said\n");
    expect(log.end).toMatchObject({ id: lost.id, status: "lost" });

    expect(await waitForRunEnd({ api }, waiting.id)).toMatchObject({ status: "succeeded" });
    expect((await api.runs.get({ params: { run_id: other.id } })).data.status).toBe("running");
    await api.runs.stop({ params: { run_id: other.id } });
    await expectExactHours();
  });

  async function lastSignOf({ id }: Run): Promise<number> {
    const [row] = await queryAsOwner(database, "select last_heartbeat_at from runs where id = $1", [
      id,
    ]);
    return Date.parse(String((row as { last_heartbeat_at: unknown }).last_heartbeat_at));
  }

  /** The API's total, the runs' own hours and the stored times agree. */
  async function expectExactHours(): Promise<void> {
    const api = clientOf(survivorUrl, token);
    const runs = await Promise.all(
      workspaces.map(({ agent_id }) => api.runs.list({ params: { agent_id }, query: {} })),
    );
    const listed = runs.flatMap(({ data }) => data);
    expect(listed.every(({ ended_at }) => ended_at !== null)).toBe(true);
    const [sum] = (await queryAsOwner(
      database,
      `select sum(extract(epoch from ended_at - started_at))::float8 as seconds from runs
         where org_id = $1`,
      [orgId],
    )) as [{ seconds: number }];
    const { data: usage } = await api.usage.get({ params: { org_id: orgId } });
    expect(usage.concurrent_agents.current).toBe(0);
    expect(usage.runtime_hours.current).toBeCloseTo(sum.seconds / 3600, 4);
    const ofRuns = listed.reduce((total, { runtime_seconds }) => total + runtime_seconds, 0);
    expect(ofRuns).toBeCloseTo(sum.seconds, 2);
  }
});
