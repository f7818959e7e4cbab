import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Problem } from "#shared/errors.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { waitForRunEnd } from "#test/support/fixtures/runs.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner, type ScriptedRunner } from "#test/support/runners/scripted-runner.js";
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
  const tokenIsValid = async () =>
    (
      await fetch(`${app.url}/api/v1/agents/${agent.id}`, {
        headers: { authorization: `Bearer ${job.token}` },
      })
    ).status === 200;

  test("has a lease of a minute, which its heartbeats extend", async () => {
    const before = await get();
    await runner.heartbeat(job.run_id);
    const { lease_expires_at: after, last } = { ...(await get()), last: before.lease_expires_at };
    expect(Date.parse(after as string)).toBeGreaterThan(Date.parse(last as string));
    const runs = [{ run_id: job.run_id, output_bytes: 77, output_truncated: true }];
    await runner.send("POST", "/heartbeats", { body: { runs } });
    expect((await get()).output).toEqual({ bytes: 77, truncated: true });
  });

  test("is lost without them, and its agent is free again", async () => {
    await expire();
    const lost = await waitForRunEnd(owner, job.run_id);
    expect(lost).toMatchObject({
      status: "lost",
      detail: "Its runner has not been heard of for a minute.",
      runner: { id: runner.id },
    });
    const [row] = await queryAsOwner(app, "select is_unsaved from runs where id = $1", [
      job.run_id,
    ]);
    expect(row).toEqual({ is_unsaved: false });
    expect((await runner.heartbeat(job.run_id)).state).toBe("gone");
    const end = await runner.end(job.run_id);
    expect([end.status, (end.body as Problem).code]).toEqual([409, "run_ended"]);
    await expect.poll(tokenIsValid).toBe(false);
    expect((await get()).status).toBe("lost");
    await startRemote(owner, agent);
    expect((await runner.take()).run_id).not.toBe(job.run_id);
  });

  test("hears of a stop, and ends as its runner says", async () => {
    const stopping = owner.api.runs.stop({ params: { run_id: job.run_id } });
    await expect.poll(() => runner.heartbeat(job.run_id)).toMatchObject({ state: "stop" });
    expect(await runner.heartbeat(job.run_id)).toEqual({
      run_id: job.run_id,
      state: "stop",
      status: "stopped",
      detail: "Stopped by Ada.",
    });
    await runner.end(job.run_id, { outcome: "stopped", exit_code: 143, detail: "Stopped by Ada." });
    expect((await stopping).data).toMatchObject({ status: "stopped", exit_code: 143 });
  });

  test("has no end in a state that is none", async () => {
    for (const outcome of ["queued", "running"] as const) {
      const { status, body } = await runner.end(job.run_id, { outcome });
      expect([status, (body as Problem).code]).toEqual([422, "validation_failed"]);
    }
    expect((await runner.end(job.run_id, { exit_code: 1e10 })).status).toBe(422);
    expect((await runner.end(job.run_id, { detail: "\u0000" })).status).toBe(422);
    expect((await get()).status).toBe("running");
  });
});
