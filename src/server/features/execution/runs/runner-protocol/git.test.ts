import { beforeAll, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { RunnerJob } from "#shared/execution/runner/protocol.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { runGit } from "#test/support/git/git.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { fetchArguments } from "#test/support/runners/run-repository.js";
import {
  ofRun,
  registerRunner,
  type ScriptedRunner,
} from "#test/support/runners/scripted-runner.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

describe("the repository of a run, for its runner", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let runner: ScriptedRunner;
  let job: RunnerJob;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("Ada");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
    runner = await registerRunner(app, { orgId: org.id });
    await startRemote(owner, (await makeRemote(owner, project.id)).agent);
    job = await runner.take();
  });

  const lsRemote = (by = runner, runId = job.run_id) => {
    const { config, url } = fetchArguments(app, by, runId);
    return runGit([...config, "ls-remote", url]);
  };

  test("has the branches that the agent of the run may read, and no others", async () => {
    const other = await makeWorkspace(owner, project.id);
    const { commit_sha: hidden } = await commitFiles(owner, other.workspace, { "b.txt": "b\n" });
    const { code, stdout } = await lsRemote();
    expect(code).toBe(0);
    const refs = stdout.split("\n").flatMap((line) => /refs\/heads\/(.*)$/.exec(line)?.[1] ?? []);
    expect(refs.toSorted()).toEqual(["main", job.branch].toSorted());
    const { config, url } = fetchArguments(app, runner, job.run_id);
    const fetched = await runGit([...config, "-C", "/", "fetch-pack", url, hidden]);
    expect(fetched.code).not.toBe(0);
  });

  test("is not for another runner, or before the start, and takes no push", async () => {
    const other = await registerRunner(app, { orgId: org.id });
    expect((await lsRemote(other)).stderr).toContain("not found");
    const { config, url } = fetchArguments(app, runner, job.run_id);
    expect(
      (await runGit([...config, "push", url, "HEAD:x"], { cwd: process.cwd() })).code,
    ).not.toBe(0);
    for (const [method, call, status] of [
      ["GET", "git/info/refs?service=git-receive-pack", 400],
      ["GET", "git/info/refs", 400],
      ["POST", "git/git-receive-pack", 404],
      ["GET", "git/HEAD", 404],
    ] as const) {
      expect([call, (await runner.send(method, ofRun(job.run_id, call))).status]).toEqual([
        call,
        status,
      ]);
    }
    const next = await startRemote(owner, (await makeRemote(owner, project.id)).agent);
    expect(await runner.ask()).toEqual([next.id]);
    expect((await lsRemote(runner, next.id)).stderr).toContain("start it first");
  });

  test("can be read after the end for the time of a lease, for the next run of the agent", async () => {
    await runner.end(job.run_id);
    expect((await lsRemote()).code).toBe(0);
    const other = await registerRunner(app, { orgId: org.id });
    expect((await lsRemote(other)).stderr).toContain("not found");
    await queryAsOwner(app, "update runs set ended_at = now() - interval '61 s' where id = $1", [
      job.run_id,
    ]);
    expect((await lsRemote()).stderr).toContain("has ended");
  });

  test("is not for a runner whose lease has ended", async () => {
    await startRemote(owner, (await makeRemote(owner, project.id)).agent);
    const { run_id } = await runner.take();
    await queryAsOwner(
      app,
      "update runs set status = 'lost', ended_at = now(), detail = 'Lost.' where id = $1",
      [run_id],
    );
    expect((await lsRemote(runner, run_id)).stderr).toContain("has ended");
  });
});
