import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeAll, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";
import { makeRemote } from "#test/support/runners/remote-workspaces.js";
import { registerRunner } from "#test/support/runners/scripted-runner.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { builtFile } from "#test/support/server/built-files.js";

/** The command `omoi runner`, killed and started again. */
let app: TestApp;
let owner: TestPerson;
let token: string;
let dataDir: string;
const processes: ChildProcess[] = [];

beforeAll(async () => {
  app = await sharedTestApp();
  owner = await app.person("Ada");
});
afterEach(async () => {
  for (const process of processes.splice(0)) {
    process.kill("SIGKILL");
    if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
  }
});

/** Starts the command; `said` grows with its output. */
function startRunner(env: Record<string, string> = {}): {
  process: ChildProcess;
  said: () => string;
} {
  const { PATH = "" } = process.env;
  const child = spawn(
    process.execPath,
    [builtFile("cli/main.js"), "runner", "--url", app.url, "--data", dataDir, "--slots", "2"],
    {
      env: { PATH, OMOI_RUNNER_TOKEN: token, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  }
  processes.push(child);
  return { process: child, said: () => said };
}

async function makeWork(): Promise<{
  run: (script: string) => Promise<Run>;
  files: () => Promise<string>;
}> {
  ({ token } = await registerRunner(app));
  dataDir = await mkdtemp(join(tmpdir(), "omoi-runner-"));
  const org = await makeOrganization(owner);
  const project = await makeProjectWith(owner, org.id, { "a.txt": "base\n" });
  const { agent, workspace } = await makeRemote(owner, project.id);
  return {
    run: async (script) => {
      const body = { command: shell(script) };
      return (await owner.api.runs.create({ params: { agent_id: agent.id }, body })).data;
    },
    files: () =>
      gitInRepository(app, project, "ls-tree", "--name-only", "-r", workspace.branch_name),
  };
}

const shows = ({ id }: Run, text: string): Promise<unknown> =>
  followLog(app, owner, id, {
    stop: (events) => events.some((event) => event.text.includes(text)),
  });

test("a killed runner saves the work of its run after its next start, and the run is lost", async () => {
  const { run, files } = await makeWork();
  const first = startRunner();
  const started = await run(
    "echo 1 > one.txt; git add .; git commit -qm one; echo 2 > two.txt; echo ready; sleep 600",
  );
  await shows(started, "ready");
  first.process.kill("SIGKILL");
  await once(first.process, "exit");
  startRunner();
  const done = await waitForRunEnd(owner, started.id);
  expect(done).toMatchObject({
    status: "lost",
    detail: "The runner was restarted while it ran.",
    repository: { commits: 1, diverged_branches: [], error: null },
  });
  expect(await files()).toBe("a.txt\none.txt\ntwo.txt");
  const next = await run("ls");
  expect(await waitForRunEnd(owner, next.id)).toMatchObject({ status: "succeeded" });
  await expect.poll(() => readdir(join(dataDir, "runs"))).toEqual([]);
  await rm(dataDir, { recursive: true, force: true });
});

test("a runner that is killed again and again ends every run once", async () => {
  const { run, files } = await makeWork();
  const kills = 20;
  for (let kill = 1; kill <= kills; kill += 1) {
    const runner = startRunner();
    const started = await run(
      `echo ${kill} > file-${kill}.txt; git add .; git commit -qm 'Add ${kill}'; sleep 0.3`,
    );
    await waitForRun(owner, started.id, ({ status }) => status !== "queued");
    // At any step: before its command, while it runs, while its work is sent, and after its end.
    await pause((1500 * kill) / kills);
    runner.process.kill("SIGKILL");
    await once(runner.process, "exit");
    const again = startRunner();
    const done = await waitForRunEnd(owner, started.id);
    expect(["succeeded", "lost"]).toContain(done.status);
    if (done.status === "succeeded") expect(await files()).toContain(`file-${kill}.txt`);
    // The run may have ended before its next runner has started.
    await expect.poll(again.said).toContain("takes runs");
    again.process.kill("SIGTERM");
    expect(await once(again.process, "exit")).toEqual([0, null]);
  }
  expect(await readdir(join(dataDir, "runs"))).toEqual([]);
  await rm(dataDir, { recursive: true, force: true });
});

test("a runner that is stopped ends its run, and sends its work", async () => {
  const { run, files } = await makeWork();
  const { process: child } = startRunner();
  const started = await run("echo 1 > one.txt; echo ready; trap 'exit 0' TERM; sleep 600 & wait");
  await shows(started, "ready");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  const done = await waitForRunEnd(owner, started.id);
  expect(done).toMatchObject({ status: "stopped", detail: "The runner was stopped." });
  expect(await files()).toBe("a.txt\none.txt");
  await rm(dataDir, { recursive: true, force: true });
});

test("a second runner on the same folder, and one with a wrong token, are refused", async () => {
  await makeWork();
  const first = startRunner();
  await expect.poll(first.said).toContain("takes runs");
  const second = startRunner();
  expect(await once(second.process, "exit")).toEqual([1, null]);
  expect(second.said()).toContain(dataDir);
  first.process.kill("SIGTERM");
  await once(first.process, "exit");
  const unknown = startRunner({ OMOI_RUNNER_TOKEN: `omoi_runner_${"x".repeat(43)}` });
  expect(await once(unknown.process, "exit")).toEqual([1, null]);
  expect(unknown.said()).toContain("The server does not know this runner");
  const missing = startRunner({ OMOI_RUNNER_TOKEN: "" });
  expect(await once(missing.process, "exit")).toEqual([1, null]);
  expect(missing.said()).toContain("OMOI_RUNNER_TOKEN must be the token of a runner");
  await rm(dataDir, { recursive: true, force: true });
});
