import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/agents/agents.js";
import type { NewRun, Run } from "#shared/api/agents/runs.js";
import type { Organization } from "#shared/api/organizations/organizations.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import {
  makeOrganization,
  makeProjectWith,
  shell,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { makeRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner } from "#test/support/runners/scripted-runner.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { startRunner, type Runner } from "./runner.js";

/** The real runner on this machine, with the real sandbox, against the real server. */
describe("a runner", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;
  let token: string;
  let dataDir: string;
  let runner: Runner;

  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" });
    owner = await app.person("Ada");
    ({ token } = await registerRunner(app));
    dataDir = await mkdtemp(join(tmpdir(), "omoi-runner-"));
    runner = await begin();
  });
  afterAll(async () => {
    await runner.stop();
    await app.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, {
      "a.txt": "base\n",
      ".gitignore": "ignored/\n",
    });
    ({ agent, workspace } = await makeRemote(owner, project.id));
  });
  afterEach(() => owner.api.organizations.archive({ params: { org_id: org.id } }));

  const begin = (): Promise<Runner> =>
    startRunner({
      url: app.url,
      token,
      labels: ["linux", "small"],
      slots: 4,
      dataDir,
      sandbox: { sandbox: "required", agentUid: 60_861, networkUid: 60_860, sandboxReadOnly: [] },
      folderDriver: "auto",
      uids: { first: 70_000, last: 70_100 },
      version: "0.2.0",
      log: pino({ level: process.env["OMOI_TEST_LOG"] ?? "silent" }),
    });
  const start = async (script: string, body: Partial<NewRun> = {}): Promise<Run> => {
    const run = { command: shell(script), ...body };
    return (await owner.api.runs.create({ params: { agent_id: agent.id }, body: run })).data;
  };
  const read = async ({ id }: Pick<Run, "id">): Promise<Run> =>
    (await owner.api.runs.get({ params: { run_id: id } })).data;
  const ended = async (run: Pick<Run, "id">): Promise<Run> => {
    await expect.poll(async () => (await read(run)).ended_at).not.toBeNull();
    return read(run);
  };
  const logOf = async ({ id }: Pick<Run, "id">): Promise<string> => {
    const url = `${app.url}/api/v1/runs/${id}/logs?follow=false`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${owner.token}` } });
    return response.text();
  };
  const onBranch = (...args: string[]) =>
    gitInRepository(app, project, ...args.map((arg) => arg.replace("BRANCH", workspace.branch_name)));

  test("executes a run in a clone of the agent's branch, and brings its work back", async () => {
    const run = await start(
      "cat a.txt; git log --format=%s; echo new > b.txt; git add b.txt; git commit -qm 'Add b'; echo more >> a.txt; mkdir -p ignored; echo x > ignored/x",
      { runner_labels: ["linux"] },
    );
    expect(run).toMatchObject({ status: "queued", runner_labels: ["linux"] });
    const done = await ended(run);
    expect(done).toMatchObject({
      status: "succeeded",
      exit_code: 0,
      runner: { name: expect.any(String) as string },
      repository: { commits: 1, diverged_branches: [], error: null },
    });
    expect(await logOf(run)).toContain("base");
    expect(await onBranch("show", "BRANCH:b.txt")).toBe("new");
    expect(await onBranch("show", "BRANCH:a.txt")).toBe("base\nmore");
    expect(await onBranch("ls-tree", "--name-only", "-r", "BRANCH")).not.toContain("ignored/x");
    // Nothing of the run stays on the machine but what serves the next one.
    await expect.poll(() => readdir(join(dataDir, "runs"))).toEqual([]);
  });
});
