import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { PullRequest } from "#shared/api/work/pull-requests.js";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { acpAgent } from "../support/fixtures/acp-agent.js";
import type { ForgeDouble } from "../support/forges/forge-double.js";
import { startGitea } from "../support/forges/gitea/gitea-double.js";
import type { DoubleRepository } from "../support/forges/repository.js";

/** Taking over a branch that was rebased on the forge, interrupted at its effects in turn. */
const token = "a-token-of-the-forge-0123456789";
const server = new CrashingServer("checkout", { OMOI_FORGE_PRIVATE_HOSTS: "true" });
let forge: ForgeDouble;
let shop: DoubleRepository;
let taskId: string;
beforeAll(async () => {
  await server.open();
  forge = await startGitea();
  forge.tokens.set(token, { login: "lead", reach: null });
  shop = await forge.addRepository("acme/shop", { "a.txt": "a\n" });
});
afterAll(async () => {
  await server.close();
  await forge.close();
});
vi.setConfig({ testTimeout: 3_600_000, hookTimeout: 180_000 });

/** Effects between two kills; each run begins at another one. */
const STEP = 4;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 7;

const read = async () => (await server.api.tasks.get({ params: { task_id: taskId } })).data;

/** A pull request of a task of the double. */
async function prepare(): Promise<PullRequest> {
  const org_id = server.project.organization_id;
  const { data: connection } = await server.api.forges.create({
    params: { org_id },
    body: { kind: "gitea", url: forge.url, token, delivery: "polling" },
  });
  const { data: project } = await server.api.projects.create({
    body: {
      organization_id: org_id,
      name: "Shop",
      forge_id: connection.id,
      repository: "acme/shop",
    },
  });
  const params = { project_id: project.id };
  await expect
    .poll(async () => (await server.api.projects.get({ params })).data.status)
    .toBe("ready");
  const { data: task } = await server.api.tasks.create({
    params,
    body: { body: "write b.txt hello", title: "Greet", command: acpAgent("load") },
  });
  taskId = task.id;
  await expect.poll(async () => (await read()).status).toBe("in_review");
  return (await server.api.pullRequests.open({ params: { task_id: taskId }, body: {} })).data;
}

/** Asks for the state of the request until its branch was taken over. */
async function takeOver(request: PullRequest, sha: string): Promise<void> {
  for (;;) {
    await server.api.pullRequests.refresh({ params: { pull_request_id: request.id } });
    if ((await read()).attempts.at(-1)?.head_commit === sha) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
  }
}

test("a server that is killed while it takes over a rebased branch makes one attempt of it", async () => {
  const request = await prepare();
  await server.stop();
  const first = 1 + randomInt(STEP);
  await server.startWithKillAt(first, "before");
  for (let [effect, round] = [first, 1]; ; effect += STEP, round += 1) {
    await shop.commit("main", { "main.txt": `round ${round}\n` });
    const sha = await shop.rebase(request.head);
    const isKilled = await server.runUntilKilled(() => takeOver(request, sha));
    if (isKilled) await server.startWithKillAt(effect + STEP, round % 2 === 1 ? "after" : "before");
    await takeOver(request, sha);
    const { attempts, status } = await read();
    expect(attempts).toHaveLength(round + 1);
    expect(attempts.map((attempt) => attempt.status)).toEqual([
      ...attempts.slice(1).map(() => "archived"),
      "ready",
    ]);
    expect(status).toBe("in_review");
    expect(await shop.sha(request.head)).toBe(sha);
    const params = { pull_request_id: request.id };
    expect((await server.api.pullRequests.get({ params })).data.error).toBeNull();
    const pending = await server.query(
      `select commit_sha from workspace_commits where state <> 'recorded'
       union all select agent_id::text from workspaces where status not in ('active', 'archived')`,
    );
    expect(pending).toEqual([]);
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      expect(forge.violations).toEqual([]);
      return;
    }
  }
});
