import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { folderOf } from "../support/fixtures/factories.js";
import { shell, waitForRunEnd, waitForRun } from "../support/fixtures/runs.js";
import { processesWith } from "../support/sandbox/test-sandbox.js";

/** Marks the command line of every process left by these runs. */
const marker = `98${process.pid}.25`;

describe("a server that is killed while commands run", () => {
  const server = new RestartableServer();
  beforeAll(async () => {
    await server.open();
    await server.createProject({ max_concurrent_agents: 10 });
  });
  afterAll(() => server.close());

  const run = async ({ agent_id }: Workspace, command: string[], queue = false): Promise<Run> =>
    (await server.api.runs.create({ params: { agent_id }, body: { command, queue } })).data;
  const waitForFile = (workspace: Workspace, name: string) =>
    expect.poll(() => readFile(join(folderOf(workspace), name)).catch(() => null)).not.toBeNull();
  const runsOf = async ({ agent_id }: Workspace) =>
    (await server.api.runs.list({ params: { agent_id }, query: {} })).data;
  /** Checks that the total hours equal the sum of the runs. */
  async function expectTrueLedger(workspaces: Workspace[]): Promise<void> {
    const runs = (await Promise.all(workspaces.map(runsOf))).flat();
    const seconds = runs.reduce((sum, { runtime_seconds }) => sum + runtime_seconds, 0);
    const { data: usage } = await server.api.usage.get({
      params: { org_id: server.project.organization_id },
    });
    expect(usage.runtime_hours.current).toBeCloseTo(seconds / 3600, 3);
  }
  const everyone: Workspace[] = [];

  test("marks running runs as lost at their last heartbeat, and starts queued ones", async () => {
    const [running, stopping] = [await server.createWorkspace(), await server.createWorkspace()];
    everyone.push(running, stopping);
    const daemon = `(setsid sleep ${marker} &) ; sleep ${marker} & echo kept > kept.txt; touch up; wait`;
    const first = await run(running, shell(daemon));
    const waiting = await run(running, shell("echo after > after.txt"), true);
    const cancelled = await run(running, ["true"], true);
    await server.api.runs.stop({ params: { run_id: cancelled.id } });
    const second = await run(
      stopping,
      shell(`trap '' TERM; touch up; while :; do sleep ${marker}; done`),
    );
    await waitForFile(running, "up");
    await waitForFile(stopping, "up");
    expect(processesWith(marker)).not.toEqual([]);
    server.api.runs.stop({ params: { run_id: second.id } }).catch(() => {});
    await waitForRun(server, second.id, ({ stop_requested }) => stop_requested);
    const killedAt = Date.now();
    await server.kill();
    await server.start();

    expect(processesWith(marker)).toEqual([]);
    for (const { id } of [first, second]) {
      const { data: lost } = await server.api.runs.get({ params: { run_id: id } });
      expect(lost).toMatchObject({ status: "lost", lease_expires_at: null });
      expect(lost.detail).toContain("ended without warning");
      expect(Date.parse(lost.ended_at as string)).toBeLessThanOrEqual(killedAt);
      expect(lost.runtime_seconds).toBeGreaterThanOrEqual(0);
    }
    // Saved in the background: the server does not wait for it.
    const saved = await waitForRun(server, first.id, ({ checkpoint }) => checkpoint !== null);
    expect(saved.checkpoint?.error).toBeNull();
    expect(saved.checkpoint?.commit_sha).toMatch(/^[0-9a-f]{40}$/);
    expect(await waitForRunEnd(server, waiting.id)).toMatchObject({
      status: "succeeded",
      detail: "Its command exited normally.",
    });
    const { data: stopped } = await server.api.runs.get({ params: { run_id: cancelled.id } });
    expect(stopped).toMatchObject({ status: "stopped", started_at: null });
    await expectTrueLedger(everyone);
  });

  test.each([0, 40, 120])(
    "leaves no run half started or half ended: kill after %i ms",
    async (ms) => {
      const workspaces = await Promise.all([
        server.createWorkspace(),
        server.createWorkspace(),
        server.createWorkspace(),
        server.createWorkspace(),
      ]);
      everyone.push(...workspaces);
      const script = `i=0; while [ $i -lt 300 ]; do echo $i > f$i; i=$((i+1)); done; (sleep ${marker} &)`;
      // The kill hits runs in all states: answered, starting, running, saving or ended.
      const requests = workspaces.flatMap((workspace) =>
        [0, 1, 2].map(() => run(workspace, shell(script), true)),
      );
      const outcomes = Promise.allSettled(requests);
      await Promise.race([...requests, pause(5000)]);
      await pause(ms);
      await server.kill();
      const known = (await outcomes).flatMap((outcome) =>
        outcome.status === "fulfilled" ? [outcome.value.id] : [],
      );
      await server.start();
      const runs = (await Promise.all(workspaces.map(runsOf))).flat();
      for (const id of known) expect(runs.map((listed) => listed.id)).toContain(id);
      for (const { id } of runs) {
        const ended = await waitForRunEnd(server, id);
        // As one object, so that a failure shows the reason.
        expect(ended).toMatchObject({
          status: expect.stringMatching(/^(succeeded|lost)$/) as string,
        });
        if (ended.status === "succeeded") expect(ended.exit_code).toBe(0);
      }
      await expect.poll(() => processesWith(marker)).toEqual([]);
      const { data: usage } = await server.api.usage.get({
        params: { org_id: server.project.organization_id },
      });
      expect(usage.concurrent_agents.current).toBe(0);
      await expectTrueLedger(everyone);
    },
    120_000,
  );
});
