import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Problem } from "#shared/errors.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { fieldsOf } from "#test/support/http/raw-request.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner, type ScriptedRunner } from "#test/support/runners/scripted-runner.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

describe("runs for runners", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let runner: ScriptedRunner;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    await queryAsOwner(
      app,
      "update runs set status = 'stopped', ended_at = now(), lease_expires_at = null where ended_at is null",
    );
    await queryAsOwner(app, "delete from runners");
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    runner = await registerRunner(app, { orgId: org.id });
  });
  afterAll(() => app.close());

  const queue = async (body: Partial<NewRun> = {}): Promise<Run> =>
    startRemote(owner, (await makeRemote(owner, project.id)).agent, body);
  const get = async ({ id }: Pick<Run, "id">): Promise<Run> =>
    (await owner.api.runs.get({ params: { run_id: id } })).data;
  const limit = (max_concurrent_agents: number) =>
    queryAsOwner(app, "update organizations set max_concurrent_agents = $2 where id = $1", [
      org.id,
      max_concurrent_agents,
    ]);

  test("wait for a runner, which gets everything to execute them", async () => {
    const { agent, workspace } = await makeRemote(owner, project.id);
    const env = { WORD: "of the run" };
    const run = await startRemote(owner, agent, { env, runner_labels: ["linux", "gpu", "gpu"] });
    expect(run).toMatchObject({
      status: "queued",
      runner_labels: ["gpu", "linux"],
      runner: null,
      detail: "Waiting for a runner with the labels gpu, linux.",
      queue_position: 1,
    });
    expect((await queue()).detail).toBe("Waiting for a runner.");
    expect(await runner.ask({ labels: ["linux"], free: 1 })).not.toContain(run.id);
    expect(await runner.ask({ labels: ["big", "gpu", "linux"] })).toContain(run.id);
    // An offer is no start.
    expect(await get(run)).toMatchObject({ status: "queued", runner: null });
    const { status, headers, body: job } = await runner.start(run.id);
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(job).toMatchObject({
      run_id: run.id,
      org_id: org.id,
      project_id: project.id,
      agent: { id: agent.id, name: agent.name },
      branch: workspace.branch_name,
      head_commit: workspace.head_commit,
      base_branch: "main",
      default_branch: "main",
      command: ["make", "test"],
      env,
      network: "none",
      model_providers: [],
      commits_at_end: true,
    });
    expect(job.secrets).toEqual(["of the run", job.token]);
    expect(job.limits.cpus).toBe(2);
    expect(await get(run)).toMatchObject({
      status: "running",
      detail: null,
      runner: { id: runner.id, name: runner.name },
      limits: job.limits,
    });
    // The token acts as the agent.
    const { data: own } = await app
      .client(job.token)
      .agents.get({ params: { agent_id: agent.id } });
    expect(own.id).toBe(agent.id);
    expect(await runner.heartbeat(run.id)).toEqual({ run_id: run.id, state: "run" });
    const end = { result: "done", output_bytes: 12, exit_code: 0 };
    expect((await runner.end(run.id, end)).status).toBe(204);
    expect((await runner.end(run.id, end)).status).toBe(204);
    expect(await get(run)).toMatchObject({
      status: "succeeded",
      result: "done",
      output: { bytes: 12, truncated: false },
      exit_code: 0,
      runner: { id: runner.id },
    });
    await expectProblem(
      app.client(job.token).agents.get({ params: { agent_id: agent.id } }),
      401,
      "invalid_token",
    );
    expect((await runner.heartbeat(run.id)).state).toBe("gone");
  });

  test("need a runner of the organization, and labels a remote workspace", async () => {
    await queryAsOwner(app, "delete from runners");
    const other = await makeOrganization(owner);
    await registerRunner(app, { orgId: other.id });
    const problem = await expectProblem(queue(), 409, "workspace_remote");
    expect(problem.detail).toContain("register a runner");
    await registerRunner(app);
    expect((await queue()).status).toBe("queued");
    const local = await makeWorkspace(owner, project.id);
    // The server of this test has a sandbox only in other files: labels are checked where commands run.
    const external = await expectProblem(
      owner.api.runs.create({
        params: { agent_id: local.agent.id },
        body: { external: true, runner_labels: [] },
      }),
      422,
      "validation_failed",
    );
    expect(fieldsOf(external)).toEqual(["body.runner_labels"]);
    const wrong = await expectProblem(queue({ runner_labels: ["GPU"] }), 422, "validation_failed");
    expect(fieldsOf(wrong)).toEqual(["body.runner_labels.0"]);
  });

  test("are for runners that isolate their network, of their organization, and not paused", async () => {
    const run = await queue({ network: "full" });
    expect(await runner.ask({ networks: ["none", "restricted"] })).toEqual([]);
    const stranger = await registerRunner(app, { orgId: (await makeOrganization(owner)).id });
    expect(await stranger.ask()).toEqual([]);
    await queryAsOwner(app, "update runners set paused = true where id = $1", [runner.id]);
    expect(await runner.ask()).toEqual([]);
    await queryAsOwner(app, "update runners set paused = false where id = $1", [runner.id]);
    expect(await runner.ask({ free: 0 })).toEqual([]);
    expect(await runner.ask()).toEqual([run.id]);
  });

  test("are offered once until the offer ends", async () => {
    const run = await queue();
    const shared = await registerRunner(app);
    expect(await runner.ask()).toEqual([run.id]);
    expect(await shared.ask()).toEqual([]);
    // An answer that was lost is given again.
    expect(await runner.ask()).toEqual([run.id]);
    expect((await shared.start(run.id)).status).toBe(404);
    const late = "update runs set offered_until = now() - interval '1 ms' where id = $1";
    await queryAsOwner(app, late, [run.id]);
    const expired = await runner.start(run.id);
    expect([expired.status, (expired.body as unknown as Problem).code]).toEqual([
      409,
      "run_not_offered",
    ]);
    expect(await shared.ask()).toEqual([run.id]);
    expect((await runner.start(run.id)).status).toBe(404);
    expect((await shared.start(run.id)).status).toBe(200);
  });

  test("start again with another token before the first heartbeat, and not after", async () => {
    const { agent } = await makeRemote(owner, project.id);
    const run = await startRemote(owner, agent, { env: { WORD: "kept" } });
    await runner.ask();
    const { body: first } = await runner.start(run.id);
    const { body: second } = await runner.start(run.id);
    expect(second).toEqual({
      ...first,
      token: second.token,
      secrets: ["kept", second.token],
    });
    expect(second.token).not.toBe(first.token);
    const params = { agent_id: agent.id };
    await expectProblem(app.client(first.token).agents.get({ params }), 401, "invalid_token");
    await app.client(second.token).agents.get({ params });
    await runner.heartbeat(run.id);
    expect((await runner.start(run.id)).status).toBe(409);
    const rows = await queryAsOwner(app, "select sealed_env from runs where id = $1", [run.id]);
    expect(rows).toEqual([{ sealed_env: null }]);
    await app.client(second.token).agents.get({ params });
  });

  test("are taken while the runner waits, and by its latest request alone", async () => {
    const older = runner.ask({ wait_seconds: 25 });
    const waits = async () =>
      (
        await queryAsOwner(app, "select waiting_until from runners where id = $1", [runner.id])
      )[0]?.["waiting_until"] !== null;
    await expect.poll(waits).toBe(true);
    const newer = runner.ask({ wait_seconds: 25 });
    expect(await older).toEqual([]);
    const run = await queue();
    expect(await newer).toEqual([run.id]);
    await expect.poll(waits).toBe(false);
  });

  test("are offered one per agent, in the order of the queue, to the idlest organization first", async () => {
    await limit(2);
    const [one, two] = [await makeRemote(owner, project.id), await makeRemote(owner, project.id)];
    const first = await startRemote(owner, one.agent, { queue: true });
    await startRemote(owner, one.agent, { queue: true });
    const third = await startRemote(owner, two.agent, { queue: true });
    const shared = await registerRunner(app);
    expect(await shared.ask()).toEqual([first.id, third.id]);
    await shared.start(first.id);
    const other = await makeOrganization(owner);
    const elsewhere = await makeProject(owner, other.id);
    const theirs = await startRemote(owner, (await makeRemote(owner, elsewhere.id)).agent);
    expect(await shared.ask()).toEqual([theirs.id, third.id]);
  });

  test("that can never start end, and say why", async () => {
    const colleague = await app.person("colleague");
    const params = { org_id: org.id };
    const { data: roles } = await owner.api.roles.list({ params });
    const role_id = roles.find(({ name }) => name === "member")?.id as string;
    const { data: member } = await owner.api.members.add({
      params,
      body: { user_id: colleague.id, role_id },
    });
    const { agent } = await makeRemote(owner, project.id);
    const theirs = await startRemote(colleague, agent);
    const homeless = await makeRemote(owner, project.id);
    const archived = await startRemote(owner, homeless.agent);
    expect(await runner.ask()).toHaveLength(2);
    await owner.api.members.remove({ params: { ...params, member_id: member.id } });
    await queryAsOwner(app, "update workspaces set status = 'archived' where agent_id = $1", [
      homeless.agent.id,
    ]);
    for (const run of [theirs, archived]) {
      const { status, body } = await runner.start(run.id);
      expect([status, (body as unknown as Problem).code]).toEqual([409, "run_ended"]);
    }
    expect(await get(theirs)).toMatchObject({
      status: "failed",
      started_at: null,
      runner: null,
      detail: "The caller who requested it may no longer start runs of this agent.",
    });
    expect((await get(archived)).detail).toContain("archived");
    const stopped = await queue();
    await runner.ask();
    await owner.api.runs.stop({ params: { run_id: stopped.id } });
    expect((await runner.start(stopped.id)).status).toBe(409);
    expect((await get(stopped)).status).toBe("stopped");
  });
});
