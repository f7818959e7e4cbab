// Thorough: restarts, waiting for jobs of the server, and each way to stop a run.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { WORK_TYPE, type RunnerJob } from "#shared/execution/runner/protocol.js";
import { spendHours } from "#test/support/database/past-runs.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import {
  ofRun,
  registerRunner,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

describe("a run on a runner", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let runner: ScriptedRunner;
  let agent: Agent;
  let job: RunnerJob;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    runner = await registerRunner(app, { orgId: org.id });
    ({ agent } = await makeRemote(owner, project.id));
    await startRemote(owner, agent);
    job = await runner.take();
  });
  afterAll(() => app.close());

  const get = async (id = job.run_id): Promise<Run> =>
    (await owner.api.runs.get({ params: { run_id: id } })).data;
  const expire = () =>
    queryAsOwner(app, "update runs set lease_expires_at = now() - interval '1 s' where id = $1", [
      job.run_id,
    ]);

  test("survives a restart of its server that takes longer than its lease", async () => {
    // As if no server had run meanwhile: the next one extends the lease before it looks for lost runs.
    const { dataDir } = app;
    const before = await get();
    await queryAsOwner(
      app,
      `create function keep_expired() returns trigger language plpgsql as $$
       begin if new.status = 'lost' then raise exception 'no server runs'; end if; return new; end $$`,
    );
    await queryAsOwner(
      app,
      "create trigger keep_expired before update on runs for each row execute function keep_expired()",
    );
    await expire();
    const restarted = await app.sibling({ OMOI_DATA_DIR: dataDir });
    await queryAsOwner(app, "drop trigger keep_expired on runs; drop function keep_expired()");
    try {
      const elsewhere = runner.at(restarted);
      expect(await get()).toMatchObject({ status: "running" });
      expect(Date.parse((await get()).lease_expires_at as string)).toBeGreaterThanOrEqual(
        Date.parse(before.lease_expires_at as string),
      );
      expect((await elsewhere.heartbeat(job.run_id)).state).toBe("run");
      expect((await elsewhere.end(job.run_id)).status).toBe(204);
      expect((await get()).status).toBe("succeeded");
    } finally {
      await restarted.close();
    }
  });

  test.each([
    ["its agent is terminated", () => owner.api.agents.delete({ params: { agent_id: agent.id } })],
    [
      "its workspace is archived",
      () => owner.api.workspaces.archive({ params: { agent_id: agent.id } }),
    ],
    [
      "its project is deleted",
      () => owner.api.projects.delete({ params: { project_id: project.id } }),
    ],
    [
      "its organization is archived",
      () => owner.api.organizations.archive({ params: { org_id: org.id } }),
    ],
  ])("is stopped when %s, after its work was taken", async (_what, act) => {
    const acting = act();
    await expect
      .poll(() => runner.heartbeat(job.run_id))
      .toMatchObject({ state: "stop", status: "stopped" });
    const { status, body } = await runner.send("POST", ofRun(job.run_id, "work?ended=true"), {
      body: Buffer.from(`omoi ${job.head_commit} ${job.head_commit} -\n`),
      type: WORK_TYPE,
    });
    expect([status, body]).toEqual([
      200,
      { tip: job.head_commit, known: [job.head_commit], error: null },
    ]);
    await runner.end(job.run_id, { outcome: "stopped", detail: "Stopped." });
    await acting;
    const [row] = await queryAsOwner(app, "select status, outcome from runs where id = $1", [
      job.run_id,
    ]);
    expect(row).toEqual({ status: "stopped", outcome: "stopped" });
  });

  test("ends when the hours are used up", async () => {
    await queryAsOwner(app, "update organizations set max_agent_runtime_hours = 1 where id = $1", [
      org.id,
    ]);
    await spendHours(app, agent.id, 2);
    await expect
      .poll(() => runner.heartbeat(job.run_id))
      .toMatchObject({ state: "stop", status: "quota_exceeded" });
    await runner.end(job.run_id, { outcome: "quota_exceeded", detail: "No hours are left." });
    expect((await get()).status).toBe("quota_exceeded");
  });
});
