import { readdir, readFile, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Run } from "#shared/api/agents/runs.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { folderOf } from "../support/fixtures/factories.js";
import { shell, waitForRunEnd, waitForRun } from "../support/fixtures/runs.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";
import { removeDataFolder } from "../support/server/data-folder.js";

/** Marks the command line of every process left by these runs. */
const marker = `98${process.pid}.25`;

describe("a server that is killed while commands run", () => {
  let dataDir: string;
  let server: ServerProcess;
  let url: string;
  let token: string;
  let api: Client;
  let orgId: string;
  let project: Project;
  let made = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-crash-"));
    await start();
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(url).auth.register({ body: person });
    token = (await clientOf(url).auth.login({ body: person })).data.access_token;
    api = clientOf(url, token);
    const { data: org } = await api.organizations.create({
      body: { name: "Crash", max_concurrent_agents: 10 },
    });
    orgId = org.id;
    project = (await api.projects.create({ body: { organization_id: org.id, name: "Site" } })).data;
  });
  afterAll(async () => {
    server.process.kill("SIGTERM");
    await server.ended;
    await removeDataFolder(dataDir);
  });

  async function start(): Promise<void> {
    server = startServer({ OMOI_DATA_DIR: dataDir });
    url = await server.ready;
    api = clientOf(url, token);
  }
  async function kill(): Promise<void> {
    server.process.kill("SIGKILL");
    await server.ended;
  }
  async function worker(): Promise<Workspace> {
    made += 1;
    const body = { project_id: project.id, name: `worker-${made}` };
    const { data: agent } = await api.agents.create({ body });
    return (await api.workspaces.create({ params: { agent_id: agent.id } })).data;
  }
  const run = async ({ agent_id }: Workspace, command: string[], queue = false): Promise<Run> =>
    (await api.runs.create({ params: { agent_id }, body: { command, queue } })).data;
  const untilFile = (workspace: Workspace, name: string) =>
    expect.poll(() => readFile(join(folderOf(workspace), name)).catch(() => null)).not.toBeNull();
  const runsOf = async ({ agent_id }: Workspace) =>
    (await api.runs.list({ params: { agent_id }, query: {} })).data;
  /** The total hours equal the sum of the runs. */
  async function expectTrueLedger(workspaces: Workspace[]): Promise<void> {
    const runs = (await Promise.all(workspaces.map(runsOf))).flat();
    const seconds = runs.reduce((sum, { runtime_seconds }) => sum + runtime_seconds, 0);
    const { data: usage } = await api.usage.get({ params: { org_id: orgId } });
    expect(usage.runtime_hours.current).toBeCloseTo(seconds / 3600, 3);
  }
  const everyone: Workspace[] = [];

  test("marks running runs as lost at their last heartbeat, and starts queued ones", async () => {
    const [running, stopping] = [await worker(), await worker()];
    everyone.push(running, stopping);
    const daemon = `(setsid sleep ${marker} &) ; sleep ${marker} & echo kept > kept.txt; touch up; wait`;
    const first = await run(running, shell(daemon));
    const waiting = await run(running, shell("echo after > after.txt"), true);
    const cancelled = await run(running, ["true"], true);
    await api.runs.stop({ params: { run_id: cancelled.id } });
    const second = await run(
      stopping,
      shell(`trap '' TERM; touch up; while :; do sleep ${marker}; done`),
    );
    await untilFile(running, "up");
    await untilFile(stopping, "up");
    expect(await processesWith(marker)).not.toEqual([]);
    api.runs.stop({ params: { run_id: second.id } }).catch(() => {});
    await waitForRun({ api }, second.id, ({ stop_requested }) => stop_requested);
    const killedAt = Date.now();
    await kill();
    await start();

    expect(await processesWith(marker)).toEqual([]);
    for (const { id } of [first, second]) {
      const { data: lost } = await api.runs.get({ params: { run_id: id } });
      expect(lost).toMatchObject({ status: "lost", lease_expires_at: null });
      expect(lost.detail).toContain("ended without warning");
      expect(Date.parse(lost.ended_at as string)).toBeLessThanOrEqual(killedAt);
      expect(lost.runtime_seconds).toBeGreaterThanOrEqual(0);
    }
    const { data: saved } = await api.runs.get({ params: { run_id: first.id } });
    expect(saved.checkpoint?.error).toBeNull();
    expect(saved.checkpoint?.commit_sha).toMatch(/^[0-9a-f]{40}$/);
    expect(await waitForRunEnd({ api }, waiting.id)).toMatchObject({
      status: "succeeded",
      detail: "Its command exited normally.",
    });
    const { data: stopped } = await api.runs.get({ params: { run_id: cancelled.id } });
    expect(stopped).toMatchObject({ status: "stopped", started_at: null });
    await expectTrueLedger(everyone);
  }, 120_000);

  test.each([0, 40, 120])(
    "leaves no run half started or half ended: kill after %i ms",
    async (ms) => {
      const workspaces = await Promise.all([worker(), worker(), worker(), worker()]);
      everyone.push(...workspaces);
      const script = `i=0; while [ $i -lt 300 ]; do echo $i > f$i; i=$((i+1)); done; (sleep ${marker} &)`;
      // The kill hits runs in all states: answered, starting, running, saving or ended.
      const asked = workspaces.flatMap((one) => [0, 1, 2].map(() => run(one, shell(script), true)));
      const outcomes = Promise.allSettled(asked);
      await Promise.race([...asked, pause(5000)]);
      await pause(ms);
      await kill();
      const known = (await outcomes).flatMap((outcome) =>
        outcome.status === "fulfilled" ? [outcome.value.id] : [],
      );
      await start();
      const runs = (await Promise.all(workspaces.map(runsOf))).flat();
      for (const id of known) expect(runs.map((one) => one.id)).toContain(id);
      for (const { id } of runs) {
        const ended = await waitForRunEnd({ api }, id);
        // As one object, so that a failure shows the reason.
        expect(ended).toMatchObject({
          status: expect.stringMatching(/^(succeeded|lost)$/) as string,
        });
        if (ended.status === "succeeded") expect(ended.exit_code).toBe(0);
      }
      await expect.poll(() => processesWith(marker)).toEqual([]);
      const { data: usage } = await api.usage.get({ params: { org_id: orgId } });
      expect(usage.concurrent_agents.current).toBe(0);
      await expectTrueLedger(everyone);
    },
    120_000,
  );
});

/** The command lines of live processes that contain a text. */
async function processesWith(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    if (line.includes(text) && !/^State:\s+Z/m.test(status)) found.push(line);
  }
  return found;
}
