import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { Problem } from "#shared/errors.js";
import { WORK_TYPE, type RunnerJob } from "#shared/execution/runner/protocol.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
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

  test("becomes commits of its branch, and a checkpoint of its files", async () => {
    const commit = await repository.commit({ "b.txt": "committed\n" });
    await repository.write({ "c.txt": "not committed\n" });
    const files = await repository.files();
    const { status, body } = await repository.send(true, files);
    expect([status, body.error, body.tip]).toEqual([200, null, commit]);
    const head = await tip();
    expect(body.known).toEqual(expect.arrayContaining([commit, head]));
    expect(await commits()).toEqual([
      ["checkpoint", head],
      ["manual", commit],
    ]);
    expect([await show("b.txt"), await show("c.txt")]).toEqual(["committed", "not committed"]);
    // Repeated: nothing changes.
    expect((await repository.send(true, files)).body).toMatchObject({ tip: commit, error: null });
    expect(await tip()).toBe(head);
    expect(await commits()).toHaveLength(2);
    await runner.end(job.run_id);
    expect(await run()).toMatchObject({
      repository: { commits: 1, diverged_branches: [], error: null },
      checkpoint: { commit_sha: head, error: null },
    });
    const late = await repository.send(true);
    expect([late.status, late.body.code]).toEqual([409, "run_ended"]);
  });

  test("is not committed with checkpoints off", async () => {
    await owner.api.workspaces.update({
      params: at(),
      body: { settings: { auto_checkpoint: false } },
    });
    await repository.write({ "c.txt": "not committed\n" });
    const { body } = await repository.send(true, await repository.files());
    expect(body.error).toBeNull();
    expect(await tip()).toBe(workspace.head_commit);
  });

  test("contains no object that the run may not read, and no active key", async () => {
    const other = await makeWorkspace(owner, project.id);
    const { commit_sha: secret } = await commitFiles(owner, other.workspace, { "s.txt": "secret" });
    const own = await repository.git("rev-parse", "HEAD");
    for (const body of [`omoi ${secret} - -\n`, `omoi ${own} - ${secret}\n`]) {
      const answer = await sendRaw(body);
      expect(answer.status).toBe(200);
      expect(await tip()).toBe(workspace.head_commit);
    }
    expect((await run()).checkpoint?.error).toContain("were not committed");
    expect((await owner.api.workspaces.get({ params: at() })).data.checkpoint_error).not.toBeNull();
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "leaked" } });
    await repository.write({ "key.txt": `${key.key as string}\n` });
    const files = await repository.send(true, await repository.files());
    expect(files.body.error).toMatch(/^Its files were not committed: "key.txt", line 1, contains/);
    expect(files.body.error).not.toContain(key.key as string);
    await repository.commit({});
    const leaked = await repository.send(true);
    expect(leaked.body.error).toMatch(/^Its commits were not taken: "key.txt", line 1, contains/);
    expect(await tip()).toBe(workspace.head_commit);
    expect((await run()).repository?.error).toBe(leaked.body.error);
  });

  test("is refused in another form, too large, or by another runner", async () => {
    const own = await repository.git("rev-parse", "HEAD");
    for (const [body, query] of [
      ["", "ended=true"],
      ["omoi\n", "ended=true"],
      [`omoi ${own} -\n`, "ended=true"],
      [`omoi ${own} - - -\n`, "ended=true"],
      [`omoi main - -\n`, "ended=true"],
      [`nope ${own} - -\n`, "ended=true"],
      ["x".repeat(500), "ended=true"],
      [`omoi ${own} - -\n`, "ended=maybe"],
      [`omoi ${own} - -\n`, ""],
    ] as const) {
      const { status, body: problem } = await sendRaw(body, query);
      expect([body, status, problem.code]).toEqual([body, 400, "bad_request"]);
    }
    const large = await sendRaw(`omoi ${own} - -\n${"x".repeat(1024 * 1024 + 1)}`);
    expect([large.status, large.body.code]).toEqual([413, "body_too_large"]);
    const fake = "0123456789".repeat(4);
    const garbage = await sendRaw(`omoi ${fake} - -\nno pack`);
    expect(garbage.status).toBe(200);
    expect((await run()).repository?.error).toContain("were not taken");
    const other = await registerRunner(app, { orgId: org.id });
    expect((await sendRaw(`omoi ${own} - -\n`, "ended=true", other)).status).toBe(404);
    expect(await tip()).toBe(workspace.head_commit);
  });
});
