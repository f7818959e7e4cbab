import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { CrashingServer } from "./crashing-server.js";
import { folderOf } from "../fixtures/factories.js";
import { shell, waitForRunEnd } from "../fixtures/runs.js";

let server: CrashingServer;

/** Fewer would mean that the counter does not work. */
const fewestEffects = 14;

async function run({ agent_id }: Workspace, script: string): Promise<Run> {
  const params = { agent_id };
  const { data } = await server.api.runs.create({ params, body: { command: shell(script) } });
  return waitForRunEnd(server, data.id);
}

const work = `set -e
  for name in one two; do echo $name > $name.txt; git add $name.txt; git commit -qm "Add $name"; done
  echo rest > rest.txt; : > done.txt`;

/**
 * Kills a server at effects of a run that commits in its repository: while it exports objects, prepares the repository,
 * and takes the commits.
 * @param step effects between two kills; Infinity for one kill
 */
export function testRunKills(first: number, step: number): void {
  beforeAll(async () => {
    server = new CrashingServer("checkout");
    await server.open();
    // An access token would expire before the last effect.
    const { data: key } = await server.api.apiKeys.create({ body: { name: "crash" } });
    server.token = key.key as string;
  });
  afterAll(() => server.close());

  test("a killed server takes the commits of a run once, or leaves them to the next run", async () => {
    for (let [effect, isAfter] = [first, false]; ; effect += step, isAfter = !isAfter) {
      const workspace = await server.createWorkspace();
      const { agent_id, branch_name, parent_commit } = workspace;
      await server.stop();
      await server.startWithKillAt(effect, isAfter ? "after" : "before");
      const isKilled = await server.runUntilKilled(() => run(workspace, work));
      if (isKilled) await server.start();
      const params = { agent_id };
      for (const { id } of (await server.api.runs.list({ params, query: {} })).data) {
        await waitForRunEnd(server, id);
      }
      const isDone = existsSync(join(folderOf(workspace), "done.txt"));
      // Its log and its status tell the agent the same as the server's repository.
      expect(await run(workspace, 'git fsck && test -z "$(git status --porcelain)"')).toMatchObject(
        {
          status: "succeeded",
          repository: { commits: 0, diverged_branches: [], error: null },
        },
      );
      if (!isKilled) expect(isDone).toBe(true);
      const { data: commits } = await server.api.workspaces.commits({ params, query: {} });
      if (isDone) {
        expect(commits.map(({ message, commit_type }) => [message, commit_type])).toEqual([
          [expect.stringContaining("Checkpoint"), "checkpoint"],
          ["Add two", "manual"],
          ["Add one", "manual"],
        ]);
        expect(await server.git("show", `${branch_name}:rest.txt`)).toBe("rest");
      }
      expect(await server.listCommits(branch_name, `^${parent_commit}`)).toEqual(
        commits.map(({ commit_sha }) => commit_sha),
      );
      await server.verifyConsistency();
      if (step === Infinity) return expect(isKilled).toBe(true);
      if (!isKilled) {
        expect(effect).toBeGreaterThan(fewestEffects);
        return;
      }
      await server.stop();
      await server.start();
    }
  }, 3_600_000);
}
