import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";
import { insertCluster, makeInCluster, queueJob } from "#test/support/pods/cluster-runs.js";
import { copyTools, makePod, SOCKET, type Container, type Pod } from "#test/support/pods/pod.js";
import {
  faultyConnection,
  type FaultyConnection,
} from "#test/support/runners/faulty-connection.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

/** The built programs of a pod's two containers, against the real server. Kubernetes alone is missing. */
describe("a pod", () => {
  let app: TestApp;
  let owner: TestPerson;
  let clusterId: string;
  let tools: string;
  let connection: FaultyConnection;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;
  let pod: Pod;
  const siblings: TestApp[] = [];

  beforeAll(async () => {
    app = await startTestApp({
      OMOI_RUN_STOP_GRACE_SECONDS: "1",
      OMOI_RUN_OUTPUT_MIB: "4",
    });
    owner = await app.person("Ada");
    clusterId = await insertCluster(app);
    tools = await copyTools();
    connection = await faultyConnection(app.url);
  });
  afterAll(async () => {
    await connection.close();
    for (const sibling of siblings) await sibling.close();
    await app.close();
    await rm(tools, { recursive: true, force: true });
  });
  beforeEach(async () => {
    connection.fault = () => "pass";
    connection.change = (_path, answer) => answer;
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, {
      "a.txt": "base\n",
      ".gitignore": "ignored/\n",
    });
    ({ agent, workspace } = await makeInCluster(owner, project.id));
    pod = await makePod(tools);
  });
  afterEach(async () => {
    await pod.remove();
    await owner.api.organizations.archive({ params: { org_id: org.id } });
  });

  interface Started {
    run: Run;
    command: Container;
    runner: Container;
  }
  const start = async (
    script: string,
    body: Partial<NewRun> = {},
    env: Record<string, string> = {},
  ): Promise<Started> => {
    const wanted = { command: shell(script), ...body };
    const { run, token } = await queueJob(app, owner, clusterId, agent, wanted);
    const runner = pod.startRunner(run.id, connection.url, {
      OMOI_RUNNER_TOKEN: token,
      OMOI_LOG_LEVEL: process.env["OMOI_TEST_LOG"] ?? "silent",
      ...env,
    });
    return { run, runner, command: pod.startAgent() };
  };
  const ended = ({ run }: Started): Promise<Run> => waitForRunEnd(owner, run.id);
  const logOf = async ({ run }: Started): Promise<string> =>
    (await followLog(app, owner, run.id)).events.map(({ text }) => text).join("");
  const shows = ({ run }: Started, text: string): Promise<unknown> =>
    followLog(app, owner, run.id, {
      stop: (events) => events.some((event) => event.text.includes(text)),
    });
  const onBranch = (...args: string[]) =>
    gitInRepository(
      app,
      project,
      ...args.map((arg) => arg.replace("BRANCH", workspace.branch_name)),
    );
  /** The exit codes of both containers. */
  const codes = ({ runner, command }: Started) => Promise.all([runner.ended, command.ended]);

  test("executes a run in a clone of the agent's branch, and brings its work back", async () => {
    const started = await start(
      `cat a.txt; git log --format=%s; echo new > b.txt; git add b.txt; git commit -qm 'Add b'; echo more >> a.txt
       mkdir -p ignored; echo x > ignored/x; echo "$GREETING $(id -u) $HOME $PWD"; echo said > /dev/stderr
       ls /data /opt/omoi/nothing 2>&1; env | grep -c omoi_runner_; ls -A "$HOME" | wc -l
       for n in $(seq 1 20); do (sleep 0 &); done
       for n in $(seq 1 100); do left=$(grep -l '^State:.*zombie' /proc/[0-9]*/status 2>/dev/null | wc -l); [ "$left" = 0 ] && break; sleep 0.1; done; echo "$left"`,
      { env: { GREETING: "hello there" } },
    );
    expect(await ended(started)).toMatchObject({
      status: "succeeded",
      exit_code: 0,
      repository: { commits: 1, diverged_branches: [], error: null },
    });
    const log = await logOf(started);
    expect(log).toContain("base");
    expect(log).toContain("*** 10001 /home/agent /workspace\n");
    // Standard error has no order with the rest.
    expect(log).toContain("said\n");
    // Neither the runner's folder nor its token; an empty home; no process without a parent that waits for it.
    expect(log.replace("said\n", "")).toMatch(/'?\/data'?: No such file[\s\S]*\n0\n0\n0\n$/);
    expect(await onBranch("show", "BRANCH:b.txt")).toBe("new");
    expect(await onBranch("show", "BRANCH:a.txt")).toBe("base\nmore");
    expect(await onBranch("ls-tree", "--name-only", "-r", "BRANCH")).not.toContain("ignored/x");
    expect(await codes(started)).toEqual([0, 0]);
  });

  test("lets a run call the API, and gives it the address of the server's proxy", async () => {
    const started = await start(
      `node -e '
        const get = async (path) => {
          const answer = await fetch(process.env.OMOI_URL + path, { headers: { authorization: "Bearer " + process.env.OMOI_TOKEN } });
          console.log(answer.status);
        };
        console.log(process.env.HTTPS_PROXY.replace(process.env.OMOI_TOKEN, "TOKEN"), process.env.http_proxy === process.env.HTTPS_PROXY);
        get("/api/v1/agents/" + process.env.OMOI_AGENT_ID).then(() => get("/runner/v1/offers"));
      '`,
      { network: "restricted", allowed_hosts: ["example.com"], env: { NODE_USE_ENV_PROXY: "0" } },
      { OMOI_EGRESS_URL: "http://egress.example:8081" },
    );
    const done = await ended(started);
    const log = await logOf(started);
    expect(log).toContain("http://run:TOKEN@egress.example:8081 true\n200\n404\n");
    expect(done.status).toBe("succeeded");
  });

  test("refuses a restricted network without a proxy", async () => {
    const started = await start("true", { network: "restricted", allowed_hosts: [] });
    expect(await ended(started)).toMatchObject({
      status: "failed",
      detail: "The cluster has no proxy for restricted networks.",
    });
    expect(await codes(started)).toEqual([0, 0]);
  });

  test("stops a run with its grace period, and keeps its work", async () => {
    const started = await start(
      "trap 'echo caught; touch saved.txt; exit 3' TERM; setsid sleep 600 & echo ready; while :; do sleep 0.05; done",
    );
    await shows(started, "ready");
    await owner.api.runs.stop({ params: { run_id: started.run.id } });
    expect(await ended(started)).toMatchObject({ status: "stopped", exit_code: 3 });
    expect(await logOf(started)).toContain("caught");
    expect(await onBranch("ls-tree", "--name-only", "-r", "BRANCH")).toContain("saved.txt");
    expect(await codes(started)).toEqual([0, 0]);
  });

  test("kills what ignores its end, also after the time limit", async () => {
    const started = await start("trap '' TERM; echo ready; while :; do sleep 1; done", {
      timeout_seconds: 2,
    });
    expect(await ended(started)).toMatchObject({ status: "timed_out", exit_code: 137 });
  });

  test("explains programs that do not exist, and codes of signals", async () => {
    const missing = await start("", { command: ["no-such-program"] });
    expect(await ended(missing)).toMatchObject({
      status: "failed",
      detail: expect.stringContaining("no-such-program was not found") as string,
    });
    await pod.remove();
    pod = await makePod(tools);
    const killed = await start("kill -SEGV $$");
    expect(await ended(killed)).toMatchObject({
      status: "failed",
      exit_code: 139,
      detail: "Its command was terminated by SIGSEGV.",
    });
  });

  test("ends a run whose container was ended, at once", async () => {
    const started = await start("echo ready; sleep 600");
    await shows(started, "ready");
    await started.command.kill();
    expect(await ended(started)).toMatchObject({
      status: "failed",
      detail: "The container of the command was ended, which happens when it exceeds its memory.",
      repository: {
        error: expect.stringContaining("The container of the command was ended") as string,
      },
    });
    expect(await started.runner.ended).toBe(0);
  });

  test("ends a run that kills the agent", async () => {
    const started = await start(
      "for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = $$ ] || kill -9 $p; done; sleep 600",
    );
    expect(await ended(started)).toMatchObject({ status: "failed", exit_code: null });
    expect(await started.runner.ended).toBe(0);
  });

  test("ends the command of a killed runner", async () => {
    const started = await start("setsid sleep 600 & echo ready; trap '' TERM; sleep 600");
    await shows(started, "ready");
    await started.runner.kill();
    expect(await started.command.ended).toBe(1);
    expect(started.command.said()).toContain("the runner of the run has ended");
    await queryAsOwner(app, "update runs set lease_expires_at = now() where id = $1", [
      started.run.id,
    ]);
    expect(await ended(started)).toMatchObject({ status: "lost" });
  });

  test("brings the work back when the cluster ends the pod", async () => {
    const started = await start("echo 1 > one.txt; echo ready; sleep 600");
    await shows(started, "ready");
    started.runner.terminate();
    expect(await ended(started)).toMatchObject({
      status: "lost",
      detail: "The cluster ended the pod of the run.",
    });
    expect(await onBranch("show", "BRANCH:one.txt")).toBe("1");
    expect(await codes(started)).toEqual([0, 0]);
  });

  test("takes a second connection of nothing, and no other run", async () => {
    const started = await start(
      `ls ${SOCKET} 2>&1; node -e '
        require("net").connect("${SOCKET}").on("connect", () => console.log("connected")).on("error", (e) => console.log(e.code));
      '; head -c 1000000 /dev/zero > /run/omoi/socket/full; echo fine > /workspace/../workspace/b.txt`,
    );
    const done = await ended(started);
    expect(done.status).toBe("succeeded");
    expect(await logOf(started)).toMatch(/No such file[^\n]*\nENOENT\n$/);
    expect(await onBranch("show", "BRANCH:b.txt")).toBe("fine");
  });

  test("goes on while the server restarts", async () => {
    const started = await start(
      "i=0; until [ $i = 40 ]; do echo tick; sleep 0.2; i=$((i+1)); done; echo 1 > one.txt",
    );
    await shows(started, "tick");
    connection.target = null;
    const next = await app.sibling({ OMOI_DATA_DIR: app.dataDir, OMOI_PORT: "0" });
    siblings.push(next);
    connection.target = next.url;
    expect((await ended(started)).status).toBe("succeeded");
    const ticks = (await logOf(started)).split("\n").filter((line) => line === "tick");
    expect(ticks).toHaveLength(40);
    expect(await onBranch("show", "BRANCH:one.txt")).toBe("1");
    expect(await codes(started)).toEqual([0, 0]);
  });

  test("takes a flood of output while the server cannot be reached", async () => {
    const started = await start(
      "echo ready; until [ -e go ]; do sleep 0.05; done; head -c 20000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo last",
    );
    await shows(started, "ready");
    connection.fault = (path) => (path.includes("/log") ? "cut request" : "pass");
    await writeGo(pod);
    await expect
      .poll(
        async () =>
          (await owner.api.runs.get({ params: { run_id: started.run.id } })).data.output?.bytes ??
          0,
      )
      .toBeGreaterThan(20_000_000);
    connection.fault = () => "pass";
    const done = await ended(started);
    expect(done).toMatchObject({ status: "succeeded", output: { truncated: true } });
    expect(done.output?.bytes).toBeGreaterThan(20_000_000);
  });

  test("builds the project's environment in place, and keeps what git ignores", async () => {
    const params = { project_id: project.id };
    await owner.api.environments.set({
      params,
      body: {
        setup_script:
          "mkdir -p ignored; echo made > ignored/made; echo changed > a.txt; echo left > left.txt; echo key > ~/.key; git init -q 2>&1; setsid sleep 600 & echo installed",
      },
    });
    const first = await start("cat ignored/made a.txt; ls -A . ~; git status --short");
    expect((await ended(first)).status).toBe("succeeded");
    const log = await logOf(first);
    expect(log).toContain("Building the project's environment in the pod");
    expect(log).toMatch(/made\nbase\n/);
    expect(log).not.toMatch(/left\.txt|\.key| M a\.txt/);
    expect(await onBranch("ls-tree", "--name-only", "-r", "BRANCH")).not.toContain("left.txt");
    await owner.api.environments.set({
      params,
      body: { setup_script: "mkdir ignored; touch ignored/half; echo broken >&2; exit 3" },
    });
    await pod.remove();
    pod = await makePod(tools);
    const second = await start("ls -A; echo goes on");
    expect((await ended(second)).status).toBe("succeeded");
    expect(await logOf(second)).toMatch(/its setup script failed\. .*code 3.*broken\n/s);
    expect(await logOf(second)).not.toContain("ignored\n");
  });

  test("says why a run cannot start, and does nothing for one that is over", async () => {
    const { run, token } = await queueJob(app, owner, clusterId, agent, { command: ["true"] });
    const wrong = pod.startRunner(run.id, connection.url, {
      OMOI_RUNNER_TOKEN: `${token.slice(0, -4)}aaaa`,
      OMOI_LOG_LEVEL: "silent",
    });
    const command = pod.startAgent();
    expect(await wrong.ended).toBe(1);
    expect(wrong.said()).toMatch(/^omoi: The server refused the start of the run: /);
    const message = await readFile(join(pod.volume("data"), "../termination-log"), "utf8");
    expect(message).toMatch(/^The server refused the start of the run: /);
    expect(await command.ended).toBe(0);
    await owner.api.runs.stop({ params: { run_id: run.id } });
    await waitForRun(owner, run.id, ({ ended_at }) => ended_at !== null);
    const over = pod.startRunner(run.id, connection.url, {
      OMOI_RUNNER_TOKEN: token,
      OMOI_LOG_LEVEL: "silent",
    });
    const other = pod.startAgent();
    expect(await Promise.all([over.ended, other.ended])).toEqual([0, 0]);
  });
});

async function writeGo(pod: Pod): Promise<void> {
  await writeFile(join(pod.volume("workspace"), "go"), "");
}
