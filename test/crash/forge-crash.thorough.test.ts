import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { PullRequest } from "#shared/api/work/pull-requests.js";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { makeForgeTask } from "../support/crash/forge-task.js";
import type { ForgeDouble } from "../support/forges/forge-double.js";
import { startGitea } from "../support/forges/gitea/gitea-double.js";
import type { DoubleRepository } from "../support/forges/repository.js";

/** Opening a pull request, interrupted at its effects in turn. */
const server = new CrashingServer("checkout", { OMOI_FORGE_PRIVATE_HOSTS: "true" });
let forge: ForgeDouble;
let shop: DoubleRepository;
let taskId: string;
beforeAll(async () => {
  await server.open();
  forge = await startGitea();
});
afterAll(async () => {
  await server.close();
  await forge.close();
});
vi.setConfig({ testTimeout: 1_800_000, hookTimeout: 180_000 });

const STEP = 1;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 4;

const read = async () => (await server.api.tasks.get({ params: { task_id: taskId } })).data;
const open = async (): Promise<PullRequest> =>
  (
    await server.api.pullRequests.open({
      params: { task_id: taskId },
      body: { labels: ["bug"], reviewers: ["grace"] },
    })
  ).data;

test("a server that is killed while it opens a pull request opens it once", async () => {
  ({ taskId, repository: shop } = await makeForgeTask(server, forge));
  await server.stop();
  await server.startWithKillAt(1, "before");
  for (let [effect, round] = [1, 1]; ; effect += STEP, round += 1) {
    const isKilled = await server.runUntilKilled(open);
    if (isKilled) await server.startWithKillAt(effect + STEP, round % 2 === 1 ? "after" : "before");
    // Nothing was stored, or the server goes on with it; asking again opens no second one.
    const request = await open();
    expect(request).toMatchObject({ state: "open", number: round, error: null });
    const there = shop.pulls.filter(({ state }) => state === "open");
    expect(there).toMatchObject([{ number: round, head: request.head }]);
    expect(shop.pulls).toHaveLength(round);
    expect([there[0]?.labels, there[0]?.reviewers].map((all) => [...new Set(all)])).toEqual([
      ["bug"],
      ["grace"],
    ]);
    expect(await shop.sha(request.head)).toBe((await read()).attempts[0]?.head_commit);
    const rows = await server.query("select id from pull_requests");
    expect(rows).toHaveLength(round);
    await server.api.pullRequests.close({ params: { pull_request_id: request.id } });
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      expect(forge.violations).toEqual([]);
      return;
    }
  }
});
