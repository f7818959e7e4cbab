// Thorough: several uploads of one run, one after another and at once.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { Problem } from "#shared/errors.js";
import { WORK_TYPE, type RunnerJob } from "#shared/execution/runner/protocol.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { openRunRepository, type RunRepository } from "#test/support/runners/run-repository.js";
import {
  ofRun,
  registerRunner,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

describe("the work of a run on a runner", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;
  let runner: ScriptedRunner;
  let job: RunnerJob;
  let repository: RunRepository;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_MAX_PUSH_MIB: "1" });
    owner = await app.person("Ada");
    org = await makeOrganization(owner);
    runner = await registerRunner(app, { orgId: org.id });
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "a.txt": "base\n" });
    ({ agent, workspace } = await makeRemote(owner, project.id));
    await startRemote(owner, agent);
    job = await runner.take();
    repository = await openRunRepository(app, runner, job);
  });
  afterEach(async () => {
    await repository.dispose();
    await runner.end(job.run_id);
  });
  afterAll(() => app.close());

  const at = () => ({ agent_id: agent.id });
  const run = async (): Promise<Run> =>
    (await owner.api.runs.get({ params: { run_id: job.run_id } })).data;
  const tip = (branch = workspace.branch_name) =>
    gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);
  const show = (file: string) =>
    gitInRepository(app, project, "show", `${workspace.branch_name}:${file}`);
  const commits = async () =>
    (await owner.api.workspaces.commits({ params: at(), query: {} })).data.map(
      ({ commit_type, commit_sha }) => [commit_type, commit_sha],
    );
  const sendRaw = (body: string | Buffer, query = "ended=true", by = runner) =>
    by.send<Problem>("POST", ofRun(job.run_id, `work?${query}`), {
      body: Buffer.from(body),
      type: WORK_TYPE,
    });

  test("is taken at intervals, and later commits follow the checkpoints", async () => {
    await repository.write({ "b.txt": "one\n" });
    await repository.send(false, await repository.files());
    const first = await tip();
    const commit = await repository.commit({ "b.txt": "two\n" });
    const { body } = await repository.send(false, await repository.files());
    expect([body.tip, body.error]).toEqual([commit, null]);
    const second = await tip();
    // The commit has another parent: the checkpoint.
    expect(second).not.toBe(commit);
    expect(await gitInRepository(app, project, "rev-parse", `${second}^`)).toBe(first);
    // Reverted without a commit.
    await repository.write({ "b.txt": "three\n" });
    await repository.send(true, await repository.files());
    expect(await show("b.txt")).toBe("three");
    expect(await commits()).toHaveLength(3);
    expect((await run()).repository).toMatchObject({ commits: 1, diverged_branches: [] });
  });

  test("keeps commits that do not follow the branch in branches of their own", async () => {
    await repository.git("checkout", "--quiet", "--orphan", "other");
    const apart = await repository.commit({ "d.txt": "apart\n" });
    const during = await repository.send(false);
    expect(during.body.error).toBeNull();
    const { body } = await repository.send(true);
    expect(body.error).toBeNull();
    const [branch = ""] = (await run()).repository?.diverged_branches ?? [];
    expect(await tip(branch)).toBe(apart);
    expect(await tip()).toBe(workspace.head_commit);
  });

  test("is sent once at a time; others push nothing meanwhile", async () => {
    const commit = await repository.commit({ "b.txt": "once\n" });
    const body = await repository.work();
    const answers = await Promise.all(Array.from({ length: 4 }, () => sendRaw(body)));
    for (const { status, body: problem } of answers) {
      if (status !== 200) expect([status, problem.code]).toEqual([409, "workspace_busy"]);
    }
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    expect(await tip()).toBe(commit);
    expect(await commits()).toHaveLength(1);
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "push" } });
    await repository.commit({ "b.txt": "pushed\n" });
    const url = project.clone_url.replace("http://", `http://x:${key.key as string}@`);
    await expect(
      repository.git("push", "--quiet", url, `HEAD:${workspace.branch_name}`),
    ).rejects.toThrow("a command is running in the workspace");
  });
});
