import { randomInt } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { CrashingServer } from "../support/crash/crashing-server.js";
import { folderOf, mergeIntoBase, writeFiles } from "../support/fixtures/factories.js";
import { describeEachDriver } from "../support/git/folder-drivers.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";

/** Effects between two kills; each run begins at another one. */
const step = 28;
/** Fewer would mean that the counter does not work. */
const fewestEffects = 20;

/**
 * A server that is killed at its effects in turn, while it builds an environment, adds the layer to a
 * workspace that waits for it, and starts the run that waits, too.
 */
describeEachDriver("a server that is killed while it makes environments", (driver) => {
  let server: CrashingServer;
  beforeAll(async () => {
    server = new CrashingServer(driver);
    await server.open();
    // An access token would expire before the last effect.
    const { data: key } = await server.api.apiKeys.create({ body: { name: "crash" } });
    server.token = key.key as string;
    await server.stop();
    await server.start();
    const first = await server.createWorkspace();
    await writeFiles(first, { ".gitignore": "node_modules/\n" });
    await mergeIntoBase(server, first);
  });
  afterAll(() => server.close());

  const runIn = async ({ agent_id }: Workspace, script: string): Promise<string> => {
    const params = { agent_id };
    const { data } = await server.api.runs.create({ params, body: { command: shell(script) } });
    return data.id;
  };
  const layers = async (): Promise<string[]> => {
    const { organization_id, id } = server.project;
    const folder = storageIn(server.dataDir).projectEnvironments(organization_id, id);
    return readdir(folder).catch(() => []);
  };
  const builds = async () => {
    const params = { project_id: server.project.id };
    return (await server.api.environments.builds({ params, query: {} })).data;
  };

  test("finishes the build, the layer and the run, or starts them again", async () => {
    for (
      let [effect, isAfter] = [1 + randomInt(step), false];
      ;
      effect += step, isAfter = !isAfter
    ) {
      await server.stop();
      await server.start();
      const { agent_id } = await server.createAgent();
      await server.stop();
      await server.startWithKillAt(effect, isAfter ? "after" : "before");
      const text = `text ${driver} ${effect}`;
      const setup_script = `mkdir node_modules; echo "${text}" > node_modules/a`;
      const work = async (): Promise<void> => {
        const params = { project_id: server.project.id };
        await server.api.environments.set({ params, body: { setup_script } });
        const { data } = await server.api.workspaces.create({ params: { agent_id } });
        await waitForRunEnd(server, await runIn(data, "cat node_modules/a > seen.txt"));
      };
      const isKilled = await server.runUntilKilled(work);
      if (isKilled) await server.start();

      // The interrupted steps are repeated, with the same result.
      const set = { params: { project_id: server.project.id }, body: { setup_script } };
      await server.api.environments.set(set);
      const existing = await server.api.workspaces
        .get({ params: { agent_id } })
        .catch(() => server.api.workspaces.create({ params: { agent_id } }));
      const workspace = existing.data;
      const run = await waitForRunEnd(
        server,
        await (async () => {
          const { data } = await server.api.runs.list({ params: { agent_id }, query: {} });
          for (const { id } of data) await waitForRunEnd(server, id);
          return runIn(workspace, "cat node_modules/a > again.txt");
        })(),
      );
      expect(run).toMatchObject({ status: "succeeded", detail: "Its command exited normally." });
      const again = await readFile(join(folderOf(workspace), "again.txt"), "utf8");
      expect(again).toBe(`${text}\n`);
      const all = await builds();
      expect(all.filter(({ ended_at }) => ended_at === null)).toEqual([]);
      expect(all[0]).toMatchObject({ status: "succeeded", commit_sha: all.at(-1)?.commit_sha });
      // The kept layers exist; in use by overlays may be further ones.
      const kept = all.flatMap(({ run_id, layer_bytes }) => (layer_bytes === null ? [] : [run_id]));
      expect(kept.length).toBeLessThanOrEqual(3);
      expect(await layers()).toEqual(expect.arrayContaining(kept));
      await server.verifyConsistency();
      if (!isKilled) {
        expect(effect).toBeGreaterThan(fewestEffects);
        return;
      }
      // Further workspaces would add effects each time, and the last one would never come.
      await server.api.agents.delete({ params: { agent_id } });
    }
  }, 3_600_000);
});
