import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { openSandbox } from "#sandbox/open-sandbox.js";
import { endLostRuns } from "../runs.queries.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { followLog, shell, waitForRunEnd, waitForRun } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";

describe("managed runs", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
  });
  afterAll(() => app.close());

  const start = async (agent_id: string, body: NewRun): Promise<Run> =>
    (await owner.api.runs.create({ params: { agent_id }, body })).data;
  const newRun = async (body: NewRun) => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    return { agent, workspace, run: await start(agent.id, body) };
  };
  const finish = async (body: NewRun) => {
    const { run } = await newRun(body);
    return waitForRunEnd(owner, run.id);
  };
  const logOf = (run: Run, query = "") =>
    send(app, "GET", `/api/v1/runs/${run.id}/logs${query}`, { token: owner.token });
  const textOf = async (run: Run, query = "") => (await logOf(run, query)).text;
  const folderOf = (workspace: Workspace): string => workspace.working_directory as string;
  const untilFile = (path: string): Promise<void> =>
    expect.poll(() => readFile(path, "utf8").catch(() => null)).not.toBeNull();

  test("a command runs in the workspace, and its changes are checkpointed", async () => {
    const command = shell('echo "hi, $NAME"; echo oops >&2; echo new > file.txt');
    const { agent, run } = await newRun({ command, env: { NAME: "Eve" } });
    expect(run).toMatchObject({
      agent_id: agent.id,
      kind: "managed",
      status: "running",
      command,
      env_names: ["NAME"],
      network: "none",
      timeout_seconds: 21_600,
      started_by: { type: "user", id: owner.id, name: "Ada" },
      stop_requested: false,
      limits: { memory_bytes: 4 * 1024 ** 3, processes: 512 },
    });
    const ended = await waitForRunEnd(owner, run.id);
    expect(ended).toMatchObject({
      status: "succeeded",
      exit_code: 0,
      detail: "Its command exited normally.",
      lease_expires_at: null,
      output: { bytes: 13, truncated: false },
      checkpoint: { commit_sha: expect.stringMatching(/^[0-9a-f]{40}$/) as string, error: null },
    });
    const { data: commits } = await owner.api.workspaces.commits({
      params: { agent_id: agent.id },
      query: {},
    });
    expect(commits[0]).toMatchObject({
      commit_sha: ended.checkpoint?.commit_sha,
      commit_type: "checkpoint",
      files_changed: 1,
    });
    // The environment's values appear nowhere; only its names are stored.
    const rows = await queryAsOwner(app, "select * from runs where id = $1", [run.id]);
    expect(JSON.stringify(rows)).not.toContain("Eve");
  });

  test.each([
    ["exit 3", "failed", 3, "Its command exited with code 3."],
    ["kill -9 $$", "failed", 137, "Its command was terminated by SIGKILL."],
    ["true", "succeeded", 0, "Its command exited normally."],
  ])("%j ends as %s", async (script, status, exit_code, detail) => {
    const ended = await finish({ command: shell(script) });
    expect(ended).toMatchObject({ status, exit_code, detail, checkpoint: null });
    expect(ended.runtime_seconds).toBe(
      (Date.parse(ended.ended_at as string) - Date.parse(ended.started_at as string)) / 1000,
    );
  });

  test("a missing program is reported, and the next run can start", async () => {
    const { agent, run } = await newRun({ command: ["no-such-program"] });
    const ended = await waitForRunEnd(owner, run.id);
    expect(ended).toMatchObject({ status: "failed" });
    expect(ended.detail).toMatch(/no-such-program/);
    const next = await start(agent.id, { command: ["true"] });
    expect((await waitForRunEnd(owner, next.id)).status).toBe("succeeded");
  });

  test("a stop ends the whole process tree, by force if necessary", async () => {
    const script = "trap '' TERM; (trap '' TERM; sleep 1000) & touch up; while :; do sleep 1; done";
    const { agent, workspace, run } = await newRun({ command: shell(script) });
    await untilFile(join(folderOf(workspace), "up"));
    const { data: stopped } = await owner.api.runs.stop({ params: { run_id: run.id } });
    expect(stopped).toMatchObject({ status: "stopped", detail: "Stopped by Ada." });
    expect((await owner.api.runs.stop({ params: { run_id: run.id } })).data).toEqual(stopped);
    const { data: events } = await owner.api.audit.list({ params: { org_id: org.id }, query: {} });
    const ofRuns = events.filter(({ action }) => action.startsWith("run."));
    expect(ofRuns.map(({ action, target }) => [action, target.id])).toEqual([
      ["run.stopped", agent.id],
      ["run.started", agent.id],
    ]);
    const { data: agentNow } = await owner.api.agents.get({ params: { agent_id: agent.id } });
    expect(agentNow.status).toBe("idle");
  });

  test("another server process can stop a run", async () => {
    const { run } = await newRun({ command: ["sleep", "1000"] });
    const sibling = await app.sibling();
    const there = sibling.client(owner.token);
    const { data } = await there.runs.stop({ params: { run_id: run.id } });
    expect(data).toMatchObject({ status: "stopped" });
    await sibling.close();
  });

  test("a run that other processes consider lost is ended here and counts to its last heartbeat", async () => {
    const script = "touch up; while :; do date > beat; sleep 0.05; done";
    const { agent, workspace, run } = await newRun({ command: shell(script) });
    await untilFile(join(folderOf(workspace), "up"));
    await queryAsOwner(
      app,
      `update runs set lease_expires_at = now() - interval '1 ms',
         last_heartbeat_at = started_at + interval '7 ms' where id = $1`,
      [run.id],
    );
    await app.db.withSystem("notice it now", (tx) => endLostRuns(tx, app.db.node.id));
    const { data: lost } = await owner.api.runs.get({ params: { run_id: run.id } });
    expect(lost).toMatchObject({ status: "lost", runtime_seconds: 0.007 });
    // Its agent can start another run, and the old command no longer writes.
    const beat = join(folderOf(workspace), "beat");
    await expect
      .poll(async () => {
        const before = await stat(beat);
        await new Promise((resolve) => setTimeout(resolve, 300));
        return (await stat(beat)).mtimeMs === before.mtimeMs;
      })
      .toBe(true);
    const next = await start(agent.id, { command: ["true"] });
    expect((await waitForRunEnd(owner, next.id)).status).toBe("succeeded");
    // What it left was committed before the next one started.
    const checkpoint = { commit_sha: expect.any(String) as string, error: null };
    const { data: saved } = await owner.api.runs.get({ params: { run_id: run.id } });
    expect(saved).toEqual({ ...lost, checkpoint });
  });

  test("a timeout ends a run", async () => {
    const ended = await finish({ command: ["sleep", "1000"], timeout_seconds: 1 });
    expect(ended).toMatchObject({
      status: "timed_out",
      detail: "It exceeded its timeout of 1 seconds.",
    });
  });

  test("an agent has one run at a time, and heartbeats for a managed run are rejected", async () => {
    const { agent, run } = await newRun({ command: ["sleep", "1000"] });
    await expectProblem(start(agent.id, { command: ["true"] }), 409, "run_in_progress");
    await expectProblem(start(agent.id, { external: true }), 409, "run_in_progress");
    const params = { run_id: run.id };
    await expectProblem(owner.api.runs.heartbeat({ params }), 409, "run_managed");
    await owner.api.runs.stop({ params });
    await expectProblem(owner.api.runs.heartbeat({ params }), 409, "run_ended");
  });

  test("a run needs a workspace folder on the server", async () => {
    const agent = await makeAgent(owner, project.id);
    const params = { agent_id: agent.id };
    const run = () => start(agent.id, { command: ["true"] });
    await expectProblem(run(), 404, "workspace_missing");
    await owner.api.workspaces.create({ params, body: { workspace_type: "remote" } });
    await expectProblem(run(), 409, "workspace_remote");
    await owner.api.workspaces.archive({ params });
    await expectProblem(run(), 409, "workspace_not_active");
    await queryAsOwner(app, "update workspaces set status = 'expired' where agent_id = $1", [
      agent.id,
    ]);
    await expectProblem(run(), 410, "workspace_expired");
    await queryAsOwner(app, "update agents set terminated_at = now() where id = $1", [agent.id]);
    await expectProblem(run(), 410, "workspace_expired");
    await expectProblem(start(agent.id, { external: true }), 404, "not_found");
  });

  test("a sync waits for the end of a run; commits and merges do not", async () => {
    const script = "echo one > one.txt; touch up; sleep 1000";
    const { agent, workspace, run } = await newRun({ command: shell(script) });
    await untilFile(join(folderOf(workspace), "up"));
    const params = { agent_id: agent.id };
    await expectProblem(owner.api.workspaces.sync({ params, body: {} }), 409, "run_in_progress");
    const body = { commit_type: "checkpoint" } as const;
    const { data: commit } = await owner.api.workspaces.createCommit({ params, body });
    expect(commit.files_changed).toBe(2);
    expect((await owner.api.workspaces.createMerge({ params, body: {} })).status).toBe(201);
    await owner.api.runs.stop({ params: { run_id: run.id } });
    expect((await owner.api.workspaces.sync({ params, body: {} })).status).toBe(201);
  });

  test.each([
    ["the workspace's archiving", "Its workspace was archived."],
    ["the agent's end", "The agent was terminated."],
    ["the project's end", "The project was deleted."],
    ["the organization's archiving", "The organization was archived."],
  ])("%s ends a run first", async (what, detail) => {
    const script = "echo late > late.txt; touch up; sleep 1000";
    const { agent, workspace, run } = await newRun({ command: shell(script) });
    const queued = await start(agent.id, { command: ["true"], queue: true });
    await untilFile(join(folderOf(workspace), "up"));
    const { api } = owner;
    if (what.includes("workspace"))
      await api.workspaces.archive({ params: { agent_id: agent.id } });
    else if (what.includes("agent's")) await api.agents.delete({ params: { agent_id: agent.id } });
    else if (what.includes("project"))
      await api.projects.delete({ params: { project_id: project.id } });
    else await api.organizations.archive({ params: { org_id: org.id } });
    const rows = await queryAsOwner(
      app,
      "select status, detail, started_at is null as waited from runs where agent_id = $1 order by id",
      [agent.id],
    );
    expect(rows).toEqual([
      { status: "stopped", detail, waited: false },
      { status: "stopped", detail, waited: true },
    ]);
    expect(queued.status).toBe("queued");
    expect(run.status).toBe("running");
    if (what.includes("workspace")) {
      const { data } = await api.workspaces.restore({ params: { agent_id: agent.id } });
      expect(await readFile(join(folderOf(data), "late.txt"), "utf8")).toBe("late\n");
    }
  });

  test("a failed checkpoint at the end is reported on the run", async () => {
    const script = "mkdir lib && cd lib && git init -q . && echo a > a";
    const ended = await finish({ command: shell(script) });
    expect(ended).toMatchObject({
      status: "succeeded",
      checkpoint: { commit_sha: null, error: expect.stringContaining('"lib"') as string },
    });
  });

  test("many short runs leave nothing but their logs", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const open = async () => (await readdir("/proc/self/fd")).length;
    const before = { fds: 0, processes: 0 };
    const times = 200;
    for (let number = 0; number < times; number += 1) {
      const run = await start(agent.id, { command: ["true"] });
      expect((await waitForRunEnd(owner, run.id)).status).toBe("succeeded");
      if (number === 19) Object.assign(before, { fds: await open(), processes: await children() });
    }
    await expect.poll(children).toBeLessThanOrEqual(before.processes);
    await expect.poll(open).toBeLessThanOrEqual(before.fds + 5);
    const logs = await readdir(join(app.dataDir, "logs", org.id, project.id));
    expect(logs).toHaveLength(times);
  }, 300_000);

  describe("logs", () => {
    test("contain both streams, with secrets masked", async () => {
      const script = 'echo "$PASSWORD"; printf %s "$OMOI_TOKEN"; echo " x" >&2';
      const ended = await finish({ command: shell(script), env: { PASSWORD: "correct horse" } });
      expect(await textOf(ended, "?stream=stdout")).toBe("***\n***");
      expect(await textOf(ended, "?stream=stderr")).toBe(" x\n");
      const saved = await logOf(ended, "?download=true&tail=1");
      expect(saved.headers.get("content-type")).toBe("text/plain; charset=utf-8");
      expect(saved.headers.get("content-disposition")).toBe(
        `attachment; filename="run-${ended.id}.log"`,
      );
      expect((await logOf(ended, "?tail=0")).status).toBe(422);
      expect((await logOf(ended, "?stream=system")).status).toBe(422);
    });

    test("can be followed live and resumed, also in another process", async () => {
      const script =
        "for i in 1 2 3; do echo $i; done; until [ -e go ]; do sleep 0.05; done; echo 4";
      const { workspace, run } = await newRun({ command: shell(script) });
      const early = await followLog(app, owner, run.id, {
        stop: (events) => events.map(({ text }) => text).join("") === "1\n2\n3\n",
      });
      expect(early.end).toBeNull();
      const sibling = await app.sibling();
      const lastEventId = early.events.at(-1)?.id as string;
      const rest = followLog(sibling, owner, run.id, { lastEventId });
      const whole = followLog(sibling, owner, run.id, { lastEventId: "nonsense" });
      await writeFile(join(folderOf(workspace), "go"), "");
      expect((await rest).events.map(({ text }) => text)).toEqual(["4\n"]);
      expect((await whole).events.map(({ text }) => text).join("")).toBe("1\n2\n3\n4\n");
      const ended = await waitForRunEnd(owner, run.id);
      expect((await rest).end).toEqual(ended);
      const after = await followLog(sibling, owner, run.id, { lastEventId });
      expect([after.events.length, after.end]).toEqual([1, ended]);
      await sibling.close();
    });

    test("of queued and leased runs are empty and end with the run", async () => {
      const { agent, run } = await newRun({ command: ["sleep", "1000"] });
      const queued = await start(agent.id, { command: ["true"], queue: true });
      expect(await textOf(queued)).toBe("");
      const following = followLog(app, owner, queued.id);
      await owner.api.runs.stop({ params: { run_id: queued.id } });
      expect(await following).toMatchObject({ events: [], end: { status: "stopped" } });
      await owner.api.runs.stop({ params: { run_id: run.id } });
    });

    test("end when the reader loses access", async () => {
      const { run } = await newRun({ command: ["sleep", "1000"] });
      const viewer = await app.person("viewer");
      const params = { org_id: org.id };
      const { data: roles } = await owner.api.roles.list({ params });
      const role_id = roles.find(({ name }) => name === "viewer")?.id as string;
      const body = { user_id: viewer.id, role_id };
      const { data: member } = await owner.api.members.add({ params, body });
      let removing: Promise<unknown> | undefined;
      const onOpen = () => {
        removing = owner.api.members.remove({ params: { ...params, member_id: member.id } });
      };
      expect((await followLog(app, viewer, run.id, { onOpen })).end).toBeNull();
      await removing;
      await owner.api.runs.stop({ params: { run_id: run.id } });
    });

    test("of twenty runs reach twenty readers without losing a line", async () => {
      await owner.api.organizations.update({
        params: { org_id: org.id },
        body: { max_concurrent_agents: 20 },
      });
      const lines = 3000;
      const script = `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i+1)); done`;
      const runs: Run[] = [];
      for (let number = 0; number < 20; number += 1) {
        runs.push((await newRun({ command: shell(script) })).run);
      }
      const followed = await Promise.all(runs.map(({ id }) => followLog(app, owner, id)));
      const expected = Array.from({ length: lines }, (_, line) => `line ${line}\n`).join("");
      for (const { events, end } of followed) {
        expect(end?.status).toBe("succeeded");
        expect(events.map(({ text }) => text).join("")).toBe(expected);
      }
    });
  });

  describe("a run's token", () => {
    test("authenticates as its agent only, until the command ends", async () => {
      const script =
        'printf %s "$OMOI_TOKEN" > token; mv token token.txt; until [ -e go ]; do sleep 0.05; done';
      const { agent, workspace, run } = await newRun({ command: shell(script) });
      const file = join(folderOf(workspace), "token.txt");
      await untilFile(file);
      const token = await readFile(file, "utf8");
      const api = app.client(token);
      const sibling = await app.sibling();
      const there = sibling.client(token);
      const params = { agent_id: agent.id };
      expect((await api.agents.get({ params })).data.id).toBe(agent.id);
      expect((await there.runs.get({ params: { run_id: run.id } })).data.status).toBe("running");
      expect((await api.agents.list()).data.map(({ id }) => id)).toEqual([agent.id]);
      const body = { commit_type: "manual" } as const;
      expect((await api.workspaces.createCommit({ params, body })).status).toBe(201);
      const other = await makeAgent(owner, project.id);
      await expectProblem(api.agents.get({ params: { agent_id: other.id } }), 404, "not_found");
      await expectProblem(
        api.organizations.create({ body: { name: "Mine" } }),
        403,
        "insufficient_permission",
      );
      await expectProblem(api.apiKeys.list(), 403, "insufficient_permission");
      // A follow-up run would outlive the stop of this one.
      for (const next of [
        { command: ["true"], queue: true },
        { command: ["true"] },
        { external: true },
      ]) {
        const start = api.runs.create({ params, body: next as never });
        await expectProblem(start, 403, "run_token_starts_no_runs");
      }
      expect((await owner.api.apiKeys.list()).data).toEqual([]);
      await rm(file);
      await writeFile(join(folderOf(workspace), "go"), "");
      await waitForRunEnd(owner, run.id);
      await expectProblem(api.agents.get({ params }), 401, "invalid_token");
      await expect
        .poll(() =>
          there.agents.get({ params }).then(
            () => 200,
            (error) => (error as { status: number }).status,
          ),
        )
        .toBe(401);
      await sibling.close();
    });

    test("is invalid once the lease of a dead server has expired", async () => {
      const script = 'printf %s "$OMOI_TOKEN" > token; mv token token.txt; sleep 1000';
      const { agent, workspace, run } = await newRun({ command: shell(script) });
      const file = join(folderOf(workspace), "token.txt");
      await untilFile(file);
      const api = app.client(await readFile(file, "utf8"));
      await queryAsOwner(
        app,
        "update runs set server_id = gen_random_uuid(), lease_expires_at = now() where id = $1",
        [run.id],
      );
      await expectProblem(api.agents.get({ params: { agent_id: agent.id } }), 401, "invalid_token");
      await owner.api.runs.stop({ params: { run_id: run.id } });
    });
  });

  test("without isolation a command is rejected with the remedy", async () => {
    const bare = await startTestApp();
    const person = await bare.person("owner");
    const { id } = await makeOrganization(person);
    const { agent } = await makeWorkspace(person, (await makeProject(person, id)).id);
    const call = person.api.runs.create({
      params: { agent_id: agent.id },
      body: { command: ["true"] },
    });
    const problem = await expectProblem(call, 409, "sandbox_unavailable");
    expect(problem.detail).toContain("This test has no sandbox");
    expect((await person.api.sandbox.get()).data).toMatchObject({ mode: "unavailable" });
    await bare.close();
    const { data } = await owner.api.sandbox.get();
    expect(data).toMatchObject({ mode: "bubblewrap", limits: { processes: 512 } });
    expect(data.docker).toMatchObject({
      mode: "unavailable",
      reason: expect.stringContaining("No Docker engine answers") as string,
    });
  });

  test("a limit that cannot be enforced here rejects new and queued runs", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "omoi-sandbox-"));
    const settings = {
      dataDir,
      sandbox: "required",
      agentUid: 60_861,
      networkUid: 60_860,
      sandboxReadOnly: [],
    } as const;
    const sandbox = await openSandbox(settings, false);
    const there = await startTestApp({ OMOI_RUN_CPUS: "1" }, sandbox);
    const person = await there.person("owner");
    const { id } = await makeOrganization(person);
    const { agent } = await makeWorkspace(person, (await makeProject(person, id)).id);
    const { data: state } = await person.api.sandbox.get();
    expect([state.limits.cpus, state.enforcement.cpu.enforced]).toEqual([1, false]);
    for (const queue of [false, true]) {
      const call = person.api.runs.create({
        params: { agent_id: agent.id },
        body: { command: ["true"], queue },
      });
      const { detail } = await expectProblem(call, 409, "sandbox_unavailable");
      expect(detail).toContain("This machine cannot enforce the limit of cpu");
    }
    await there.close();
    await sandbox.close();
    await rm(dataDir, { recursive: true });
  });

  test("with the sandbox off, a run states that it has network access", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "omoi-sandbox-"));
    const settings = {
      dataDir,
      sandbox: "off",
      agentUid: 60_861,
      networkUid: 60_860,
      sandboxReadOnly: [],
    } as const;
    const sandbox = await openSandbox(settings);
    const there = await startTestApp({ OMOI_SANDBOX: "off" }, sandbox);
    const person = await there.person("owner");
    const { id } = await makeOrganization(person);
    const { agent } = await makeWorkspace(person, (await makeProject(person, id)).id);
    expect((await person.api.sandbox.get()).data).toMatchObject({ mode: "off", network: false });
    const { data: run } = await person.api.runs.create({
      params: { agent_id: agent.id },
      body: { command: ["cat", "/proc/net/dev"], network: "none" },
    });
    expect(run.network).toBe("full");
    expect((await waitForRunEnd(person, run.id)).status).toBe("succeeded");
    await there.close();
    await sandbox.close();
    await rm(dataDir, { recursive: true });
  });

  test("a server ends its runs when it stops and reports the reason", async () => {
    const sibling = await app.sibling();
    const { agent } = await makeWorkspace(owner, project.id);
    const { data: run } = await sibling.client(owner.token).runs.create({
      params: { agent_id: agent.id },
      body: { command: shell("echo kept > kept.txt; sleep 1000") },
    });
    await waitForRun(owner, run.id, ({ status }) => status === "running");
    await sibling.close();
    const ended = await waitForRunEnd(owner, run.id);
    expect(ended).toMatchObject({ status: "stopped", detail: "The server was stopped." });
  });
});

/** Returns the number of child processes of this process. */
async function children(): Promise<number> {
  const text = await readFile(`/proc/self/task/${process.pid}/children`, "utf8");
  return text.split(" ").filter((pid) => pid !== "").length;
}
