import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { git, gitInRepository } from "#test/support/git/git.js";
import {
  faultyConnection,
  type FaultyConnection,
} from "#test/support/runners/faulty-connection.js";
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
  let connection: FaultyConnection;
  const siblings: TestApp[] = [];

  beforeAll(async () => {
    const settings = { OMOI_RUN_STOP_GRACE_SECONDS: "1", OMOI_EGRESS_PRIVATE_HOSTS: "localhost" };
    app = await startTestApp(settings);
    owner = await app.person("Ada");
    ({ token } = await registerRunner(app));
    dataDir = await mkdtemp(join(tmpdir(), "omoi-runner-"));
    connection = await faultyConnection(app.url);
    runner = await begin();
  });
  afterAll(async () => {
    await runner.stop();
    await connection.close();
    for (const sibling of siblings) await sibling.close();
    await app.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    connection.fault = () => "pass";
    connection.change = (_path, answer) => answer;
    connection.statusOf = () => null;
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
      url: connection.url,
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
  const ended = (run: Pick<Run, "id">): Promise<Run> => waitForRunEnd(owner, run.id);
  const logOf = async ({ id }: Pick<Run, "id">): Promise<string> =>
    (await followLog(app, owner, id)).events.map(({ text }) => text).join("");
  /** Waits until the log has the text. */
  const shows = ({ id }: Pick<Run, "id">, text: string): Promise<unknown> =>
    followLog(app, owner, id, {
      stop: (events) => events.some((event) => event.text.includes(text)),
    });
  const onBranch = (...args: string[]) =>
    gitInRepository(
      app,
      project,
      ...args.map((arg) => arg.replace("BRANCH", workspace.branch_name)),
    );

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

  test("isolates a run, and gives it its variables, its own home and no other's", async () => {
    const done = await ended(
      await start(
        'echo "$GREETING $(id -u) $HOME $PWD"; test -w "$HOME" && ls -A "$HOME" | wc -l; ls /proc | grep -c "^[0-9]"; cat /etc/shadow 2>&1',
        { env: { GREETING: "hello there" } },
      ),
    );
    expect(done.exit_code).not.toBe(0);
    const log = await logOf(done);
    // A value of a variable is masked.
    expect(log).toMatch(/^\*\*\* \d+ \/home\/agent \/workspace\n0\n\d\n/);
    expect(log).toMatch(/Permission denied|No such file/);
  });

  test("streams the log while the run goes on, whole and in order", async () => {
    const run = await start(
      "for n in $(seq 1 3000); do echo line $n; done; until [ -e go ]; do sleep 0.05; done",
    );
    await shows(run, "line 3000");
    await owner.api.runs.stop({ params: { run_id: run.id } });
    const done = await ended(run);
    expect(done.status).toBe("stopped");
    const lines = (await logOf(run)).trim().split("\n");
    expect(lines).toEqual(Array.from({ length: 3000 }, (_, index) => `line ${index + 1}`));
    expect(done.output).toEqual({ bytes: lines.join("\n").length + 1, truncated: false });
  });

  test("lets a run call the API with its own token, and nothing but the API", async () => {
    const done = await ended(
      await start(
        `node -e '
          const get = async (path) => {
            const answer = await fetch(process.env.OMOI_URL + path, { headers: { authorization: "Bearer " + process.env.OMOI_TOKEN } });
            console.log(answer.status, (await answer.text()).includes(process.env.OMOI_AGENT_ID));
          };
          (async () => {
            await get("/api/v1/agents/" + process.env.OMOI_AGENT_ID);
            await get("/runner/v1/offers");
            await get("/api/v1/../../runner/v1/offers");
            await get("/metrics");
          })();
        '`,
        { network: "restricted", allowed_hosts: [] },
      ),
    );
    expect(await logOf(done)).toBe("200 true\n404 false\n404 false\n404 false\n");
    expect(done.status).toBe("succeeded");
  });

  test("lists the connections of a run with a restricted network", async () => {
    const done = await ended(
      await start(
        `node -e 'fetch("http://example.invalid/").then((a) => console.log(a.status), (e) => console.log("failed"))'`,
        {
          network: "restricted",
          allowed_hosts: ["api.example.com"],
          env: { NODE_USE_ENV_PROXY: "1" },
        },
      ),
    );
    // Node without that variable does not use the proxy, and reaches nothing at all.
    expect(["403\n", "failed\n"]).toContain((await logOf(done)).replace(/^egress.*\n/gm, ""));
    const proxied = await ended(
      await start(
        `node -e '
          const [host, port] = process.env.HTTP_PROXY.slice(7).split(":");
          require("http").get({ host, port, path: "http://example.invalid/" }, (a) => { console.log(a.statusCode); a.resume(); });
        '`,
        { network: "restricted", allowed_hosts: ["api.example.com"] },
      ),
    );
    expect(proxied.egress).toEqual({ allowed: 0, denied: 1 });
    const params = { run_id: proxied.id };
    const { data } = await owner.api.runs.egress({ params, query: {} });
    expect(data).toMatchObject([{ host: "example.invalid", decision: "denied" }]);
  });

  test("judges addresses of the server's private hosts by their rule, in setup scripts, too", async () => {
    const through = (host: string): string =>
      `node -e '
        const [name, port] = process.env.HTTP_PROXY.slice(7).split(":");
        require("http").get({ host: name, port, path: "http://${host}/" }, (answer) => answer.pipe(process.stdout));
      '`;
    const network = {
      network: "restricted" as const,
      allowed_hosts: ["localhost", "x.localhost"],
    };
    await owner.api.environments.set({
      params: { project_id: project.id },
      body: { setup_script: through("localhost"), ...network },
    });
    const done = await ended(
      await start(`${through("localhost")}; ${through("x.localhost")}`, network),
    );
    expect(done.status).toBe("succeeded");
    const { data } = await owner.api.runs.egress({ params: { run_id: done.id }, query: {} });
    const reasons = data.map(({ host, reason }) => `${host}: ${reason}`).toSorted();
    expect(reasons).toEqual([
      "localhost: localhost resolves to 127.0.0.1, which is neither public nor private",
      "localhost: localhost resolves to 127.0.0.1, which is neither public nor private",
      "x.localhost: x.localhost resolves to 127.0.0.1, which is not public",
    ]);
  });

  test("keeps commits that do not follow the branch, and sees those of earlier runs", async () => {
    await ended(await start("echo 1 > one.txt; git add .; git commit -qm one"));
    const done = await ended(
      await start(
        "git log --format=%s -1; git checkout -q main; echo 2 > two.txt; git add .; git commit -qm two",
      ),
    );
    expect(await logOf(done)).toContain("one");
    expect(done.repository).toMatchObject({ commits: 0, error: null });
    expect(done.repository?.diverged_branches).toHaveLength(1);
    const [kept] = done.repository?.diverged_branches ?? [];
    expect(await onBranch("show", `${kept}:two.txt`)).toBe("2");
    expect(await onBranch("show", "BRANCH:one.txt")).toBe("1");
  });

  test("explains a command that does not exist, and a run that takes too long", async () => {
    const body = { command: ["no-such-program"] };
    const missing = (await owner.api.runs.create({ params: { agent_id: agent.id }, body })).data;
    expect(await ended(missing)).toMatchObject({
      status: "failed",
      detail: expect.stringContaining("no-such-program was not found") as string,
    });
    const late = await start("sleep 60", { timeout_seconds: 1 });
    expect(await ended(late)).toMatchObject({ status: "timed_out" });
  });

  test("takes as many runs at once as it has slots", async () => {
    const others = await Promise.all(
      Array.from({ length: 5 }, () => makeRemote(owner, project.id)),
    );
    const limit = { max_concurrent_agents: 10 };
    await owner.api.organizations.update({ params: { org_id: org.id }, body: limit });
    const all = await Promise.all(
      [{ agent }, ...others].map(async ({ agent: { id } }) => {
        const body = { command: shell("until [ -e go ]; do sleep 0.05; done") };
        return (await owner.api.runs.create({ params: { agent_id: id }, body })).data;
      }),
    );
    const states = async (): Promise<string[]> =>
      Promise.all(
        all.map(
          async ({ id }) => (await owner.api.runs.get({ params: { run_id: id } })).data.status,
        ),
      );
    const count = (found: string[], status: string): number =>
      found.filter((item) => item === status).length;
    await expect.poll(async () => count(await states(), "running")).toBe(4);
    expect(count(await states(), "queued")).toBe(2);
    for (const { id } of all) await owner.api.runs.stop({ params: { run_id: id } });
    await Promise.all(all.map(ended));
  });

  test("installs the project's environment once for many runs", async () => {
    const params = { project_id: project.id };
    await owner.api.environments.set({
      params,
      body: { setup_script: "mkdir -p ignored; date +%N > ignored/stamp; echo installed" },
    });
    const first = await ended(await start("cat ignored/stamp"));
    expect(first.status).toBe("succeeded");
    const stampOf = async (run: Run): Promise<string> =>
      (await logOf(run))
        .split("\n")
        .filter((line) => /^\d+$/.test(line))
        .join();
    const stamp = await stampOf(first);
    expect(stamp).toMatch(/^\d{9}$/);
    expect(await logOf(first)).toContain("Building the project's environment");
    const second = await ended(await start("cat ignored/stamp"));
    expect(await logOf(second)).toBe(`${stamp}\n`);
    await owner.api.environments.set({ params, body: { setup_script: "echo broken >&2; exit 3" } });
    const third = await ended(await start("ls ignored 2>&1; echo goes on"));
    expect(third.status).toBe("succeeded");
    expect(await logOf(third)).toMatch(
      /The run has no environment: its setup script failed\. .*code 3.* The end of its output:\nbroken\n/s,
    );
  });

  test("is stopped while its environment is built, and its secrets are not on the disk", async () => {
    const params = { project_id: project.id };
    const secret = "a secret of the project, not for the disk";
    await owner.api.projectSecrets.set({
      params: { ...params, name: "SETUP_SECRET" },
      body: { kind: "variable", value: secret },
    });
    await owner.api.environments.set({
      params,
      body: { setup_script: "sleep 600", variables: { PLAIN: "a variable of the script" } },
    });
    const run = await start("echo never", { env: { OWN: "a variable of the run" } });
    await shows(run, "Building the project's environment");
    const folder = join(dataDir, "runs", run.id);
    await expect.poll(() => readdir(folder)).toContain("state.json");
    const state = await readFile(join(folder, "state.json"), "utf8");
    for (const text of [secret, "a variable of the script", "a variable of the run", "omoi_run"]) {
      expect(state).not.toContain(text);
    }
    await owner.api.runs.stop({ params: { run_id: run.id } });
    expect(await ended(run)).toMatchObject({ status: "stopped", exit_code: null });
    expect(await logOf(run)).not.toContain("never");
    await expect.poll(() => readdir(join(dataDir, "runs"))).toEqual([]);
  });

  test("repeats its work while the workspace is busy, and says why it was rejected", async () => {
    let busy = 3;
    connection.change = (path, answer) => {
      if (!path.includes("/work") || busy === 0) return answer;
      busy -= 1;
      const problem = { type: "about:blank", title: "Busy", status: 409, request_id: "" };
      return { ...problem, code: "workspace_busy", detail: "The workspace is busy." };
    };
    connection.statusOf = (path) => (path.includes("/work") && busy > 0 ? 409 : null);
    const done = await ended(await start("echo 1 > one.txt; git add .; git commit -qm one"));
    expect(done).toMatchObject({ status: "succeeded", repository: { commits: 1, error: null } });
    expect(busy).toBe(0);
    connection.statusOf = (path) => (path.includes("/work") ? 413 : null);
    connection.change = (path, answer) =>
      path.includes("/work")
        ? {
            type: "about:blank",
            title: "",
            status: 413,
            code: "body_too_large",
            detail: "Too large.",
          }
        : answer;
    const rejected = await ended(await start("echo 2 > two.txt"));
    expect(rejected).toMatchObject({
      status: "succeeded",
      exit_code: 0,
      repository: { error: "Its work was rejected: Too large." },
    });
  });

  test("sends commits and files at intervals while the run goes on", async () => {
    connection.change = (path, answer) =>
      path.endsWith("/start") ? { ...(answer as object), checkpoint_seconds: 1 } : answer;
    const run = await start(
      "echo 1 > one.txt; git add .; git commit -qm one; echo 2 > two.txt; until [ -e go ]; do sleep 0.05; done; echo 3 > three.txt",
    );
    const tip = () => onBranch("ls-tree", "--name-only", "-r", "BRANCH");
    await expect.poll(tip).toContain("two.txt");
    expect(await tip()).toContain("one.txt");
    const { data } = await owner.api.workspaces.commits({
      params: { agent_id: agent.id },
      query: {},
    });
    expect(data.some(({ commit_type }) => commit_type === "checkpoint")).toBe(true);
    await owner.api.runs.stop({ params: { run_id: run.id } });
    const done = await ended(run);
    expect(done.repository).toMatchObject({ commits: 1, diverged_branches: [], error: null });
  });

  test("loses and doubles nothing on a connection that breaks all the time", async () => {
    let requests = 0;
    let gitRequests = 0;
    connection.fault = (path) => {
      if (path.endsWith("/offers")) return "pass";
      if (path.includes("/git/")) {
        gitRequests += 1;
        // A fetch needs two in succession.
        return gitRequests === 1 ? "cut answer" : gitRequests === 3 ? "cut request" : "pass";
      }
      requests += 1;
      return requests % 3 === 0 ? "cut answer" : requests % 3 === 1 ? "cut request" : "pass";
    };
    const run = await start(
      "for n in $(seq 1 200); do echo line $n; sleep 0.005; done; echo 1 > one.txt; git add .; git commit -qm one; echo 2 > two.txt",
    );
    const done = await ended(run);
    expect(done).toMatchObject({
      status: "succeeded",
      repository: { commits: 1, diverged_branches: [], error: null },
    });
    expect(await logOf(run)).toBe(
      Array.from({ length: 200 }, (_, index) => `line ${index + 1}\n`).join(""),
    );
    const subjects = (await onBranch("log", "--format=%s", "main..BRANCH")).split("\n");
    expect(subjects.filter((subject) => subject === "one")).toHaveLength(1);
    expect(subjects).toHaveLength(2);
    expect(requests).toBeGreaterThan(10);
    expect(gitRequests).toBeGreaterThanOrEqual(4);
  });

  test("has fetched what a run left before the next run of its agent", async () => {
    const asked: string[] = [];
    connection.fault = (path) => {
      if (path.includes("/git/")) asked.push(path);
      return "pass";
    };
    const first = await ended(await start("echo new > a.txt"));
    const tip = await onBranch("rev-parse", "BRANCH");
    const mirror = join(dataDir, "projects", project.id, "repository.git");
    const ref = `refs/agents/${agent.id}/${workspace.branch_name}`;
    await expect
      .poll(() => git(["--git-dir", mirror, "rev-parse", ref]), { interval: 100 })
      .toBe(tip);
    expect(asked.filter((path) => path.includes(first.id))).not.toEqual([]);
    asked.length = 0;
    const next = await start("cat a.txt; git status --short; git log --format=%H -n 1; sleep 1");
    await shows(next, tip);
    expect(asked).toEqual([]);
    await ended(next);
    expect(await logOf(next)).toBe(`new\n${tip}\n`);
    const other = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other.workspace, { "c.txt": "c\n" });
    await mergeIntoBase(owner, other.workspace);
    const last = await start("git rev-parse main");
    await ended(last);
    expect(await logOf(last)).toBe(`${await onBranch("rev-parse", "main")}\n`);
  });

  test("the locks of a killed git process hold up no run", async () => {
    await ended(await start("true"));
    const other = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other.workspace, { "c.txt": "c\n" });
    await mergeIntoBase(owner, other.workspace);
    const mirror = join(dataDir, "projects", project.id, "repository.git");
    const agentRefs = join(mirror, "refs/agents", agent.id);
    for (const file of [join(mirror, "HEAD"), join(agentRefs, "main")]) {
      await writeFile(`${file}.lock`, "");
    }
    const run = await start("git rev-parse main");
    expect(await ended(run)).toMatchObject({ status: "succeeded", repository: { error: null } });
    expect(await logOf(run)).toBe(`${await onBranch("rev-parse", "main")}\n`);
  });

  test("goes on while the server restarts", async () => {
    const run = await start(
      "until [ -e go ]; do echo tick; sleep 0.2; [ $((i=${i:-0}+1)) -lt 40 ] || touch go; done; echo 1 > one.txt",
    );
    await shows(run, "tick");
    connection.target = null;
    const { port, data } = { port: new URL(app.url).port, data: app.dataDir };
    const next = await app.sibling({ OMOI_DATA_DIR: data, OMOI_PORT: "0" });
    void port;
    siblings.push(next);
    connection.target = next.url;
    const done = await waitForRunEnd(owner, run.id);
    expect(done.status).toBe("succeeded");
    expect((await logOf(run)).split("\n").filter((line) => line === "tick")).toHaveLength(40);
    expect(await onBranch("show", "BRANCH:one.txt")).toBe("1");
  });
});
