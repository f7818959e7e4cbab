import { randomInt } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { folderOf } from "../support/fixtures/factories.js";
import { regenerateBy } from "../support/fixtures/regenerate.js";

/**
 * A merge whose lock file a command writes again in the real sandbox, on a server that is killed at its
 * effects in turn: while the command is queued, started and run, while its file is stored, and while the
 * merge lands.
 */
let server: CrashingServer;
beforeAll(async () => {
  server = new CrashingServer("checkout");
  await server.open();
  // An access token would expire before the last effect.
  const { data: key } = await server.api.apiKeys.create({ body: { name: "crash" } });
  server.token = key.key as string;
  await server.api.projects.update({
    params: { project_id: server.project.id },
    body: { merge_drivers: [regenerateBy("ls *.dep > deps.sum", { pattern: "deps.sum" })] },
  });
});
afterAll(() => server.close());

/** Effects between two kills; each run begins at another one. */
const step = 6;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 20;

const merge = async ({ agent_id }: Workspace) =>
  (await server.api.workspaces.createMerge({ params: { agent_id } })).data;

async function createWorkspace(): Promise<Workspace> {
  const workspace = await server.createWorkspace();
  const name = `${workspace.agent_name}.dep`;
  await writeFile(join(folderOf(workspace), name), "new\n");
  await writeFile(join(folderOf(workspace), "deps.sum"), `${name}\n`);
  return workspace;
}

test("a killed server leaves the merge to be repeated, or has made it once", async () => {
  for (let [effect, isAfter] = [1 + randomInt(step), false]; ; effect += step, isAfter = !isAfter) {
    await server.stop();
    await server.start();
    const [first, second] = [await createWorkspace(), await createWorkspace()];
    await merge(first);
    await server.stop();
    await server.startWithKillAt(effect, isAfter ? "after" : "before");
    const isKilled = await server.runUntilKilled(() => merge(second));
    if (isKilled) {
      await server.start();
      // It may have landed already.
      expect(["clean", "up_to_date"]).toContain((await merge(second)).status);
    }
    const merges = await server.merges({ agent_id: second.agent_id });
    expect(merges.map(({ driver_files }) => driver_files)).toMatchObject([[{ result: "merged" }]]);
    const names = (await server.git("ls-tree", "--name-only", "main")).split("\n");
    const listed = (await server.git("show", "main:deps.sum")).split("\n");
    expect(listed).toEqual(names.filter((name) => name.endsWith(".dep")));
    await server.verifyConsistency();
    await server.verifyNoTempFiles();
    await expectNothingLeft();
    if (!isKilled) {
      expect(effect).toBeGreaterThan(fewestEffects);
      return;
    }
  }
}, 3_600_000);

/** No folder of a command is left, and none is open. */
async function expectNothingLeft(): Promise<void> {
  const { checks } = storageIn(server.dataDir);
  const folders = async (): Promise<string[]> => {
    const organizations = await readdir(checks).catch(() => []);
    const names = await Promise.all(organizations.map((org) => readdir(join(checks, org))));
    return names.flat();
  };
  await expect.poll(folders).toEqual([]);
  const open = () => server.query("select id from commit_checks where ended_at is null");
  await expect.poll(open).toEqual([]);
}
