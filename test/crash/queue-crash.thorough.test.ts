import { randomInt } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiError } from "#shared/contract/client.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { folderOf } from "../support/fixtures/factories.js";
import { regenerateBy } from "../support/fixtures/regenerate.js";
import { waitForRequest } from "../support/fixtures/merge-requests.js";

/**
 * A merge through the queue, with a check in the real sandbox, on a server that is killed at its
 * effects in turn: while the request is stored, planned and checked, and while it lands.
 */
let server: CrashingServer;
beforeAll(async () => {
  server = new CrashingServer("checkout");
  await server.open();
  // An access token would expire before the last effect.
  const { data: key } = await server.api.apiKeys.create({ body: { name: "crash" } });
  server.token = key.key as string;
  const params = { project_id: server.project.id };
  await server.api.mergeQueue.setCheck({
    params: { ...params, name: "test" },
    body: { command: ["test", "-d", "."] },
  });
  const protected_branches = [{ pattern: "main", checks: ["test"] }];
  await server.api.projects.update({ params, body: { protected_branches } });
});
afterAll(() => server.close());

/** Effects between two kills; each run begins at another one. */
const step = 19;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 30;

async function queue({ agent_id }: Workspace): Promise<void> {
  const { data } = await server.api.workspaces.createMerge({
    params: { agent_id },
    body: { queue: true },
  });
  // A broken connection ends the wait at once.
  const params = { merge_request_id: data.id };
  let request = data;
  while (request.ended_at === null) {
    await pause(50);
    request = (await server.api.mergeQueue.get({ params })).data;
  }
  expect(request.status).toBe("merged");
}

test("a killed server lands each queued merge once, by a commit that was checked", async () => {
  for (let [effect, isAfter] = [1 + randomInt(step), false]; ; effect += step, isAfter = !isAfter) {
    await server.stop();
    await server.startWithKillAt(effect, isAfter ? "after" : "before");
    const workspace = await server.createWorkspace();
    await writeFile(join(folderOf(workspace), `${workspace.agent_name}.txt`), "new\n");
    const isKilled = await server.runUntilKilled(() => queue(workspace));
    if (isKilled) await server.start();
    await finish(workspace);
    await server.verifyConsistency();
    await server.verifyNoTempFiles();
    await expectNothingLeft();
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      return;
    }
  }
}, 3_600_000);

test("a killed server lands a queued merge once whose lock file a command writes again", async () => {
  await server.stop();
  await server.start();
  await server.api.projects.update({
    params: { project_id: server.project.id },
    body: { merge_drivers: [regenerateBy("ls *.txt > files.sum", { pattern: "files.sum" })] },
  });
  const prepare = async (): Promise<Workspace> => {
    const workspace = await server.createWorkspace();
    const name = `${workspace.agent_name}.txt`;
    await writeFile(join(folderOf(workspace), name), "new\n");
    await writeFile(join(folderOf(workspace), "files.sum"), `${name}\n`);
    return workspace;
  };
  for (
    let [effect, isAfter] = [1 + randomInt(step * 2), false];
    ;
    effect += step * 2, isAfter = !isAfter
  ) {
    const [first, second] = [await prepare(), await prepare()];
    await queue(first);
    await server.stop();
    await server.startWithKillAt(effect, isAfter ? "after" : "before");
    const isKilled = await server.runUntilKilled(() => queue(second));
    if (isKilled) await server.start();
    await finish(second);
    const names = (await server.git("ls-tree", "--name-only", "main")).split("\n");
    const listed = (await server.git("show", "main:files.sum")).split("\n");
    expect(listed).toEqual(names.filter((name) => name.endsWith(".txt")));
    await server.verifyConsistency();
    await server.verifyNoTempFiles();
    await expectNothingLeft();
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      return;
    }
  }
}, 3_600_000);

/** Waits for the request that was stored, or repeats it; then the merge has landed exactly once. */
async function finish(workspace: Workspace): Promise<void> {
  const { agent_id, project_id } = workspace;
  const params = { project_id };
  const list = async (status: "open" | "ended") =>
    (await server.api.mergeQueue.list({ params, query: { status } })).data.filter(
      (request) => request.agent_id === agent_id,
    );
  for (const { id } of await list("open")) await waitForRequest(server, id);
  if ((await list("ended")).length === 0) {
    await queue(workspace).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
    });
  }
  const ended = await list("ended");
  expect(ended.map(({ status }) => status)).toEqual(["merged"]);
  const merges = await server.merges({ agent_id });
  expect(merges.map(({ merge_commit_sha }) => merge_commit_sha)).toEqual([
    ended[0]?.candidate_commit,
  ]);
  const text = await server.git("show", `main:${workspace.agent_name}.txt`);
  expect(text).toBe("new");
}

/** No folder of a check is left once its run has ended. */
async function expectNothingLeft(): Promise<void> {
  const { checks } = storageIn(server.dataDir);
  const folders = async (): Promise<string[]> => {
    const organizations = await readdir(checks).catch(() => []);
    const names = await Promise.all(organizations.map((org) => readdir(join(checks, org))));
    return names.flat();
  };
  await expect.poll(folders).toEqual([]);
}
