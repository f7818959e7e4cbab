import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { folderOf } from "../support/fixtures/factories.js";

describe("a server that is killed while workspaces are archived and restored", () => {
  const server = new RestartableServer();
  let workspace: Workspace;
  let written = 0;

  beforeAll(async () => {
    await server.open();
    await server.createProject();
    workspace = await server.createWorkspace();
  });
  afterAll(() => server.close());

  const at = () => ({ agent_id: workspace.agent_id });

  /**
   * Writes, archives and restores until the server is gone; calls `done` after each response.
   */
  async function work(done: () => void): Promise<void> {
    for (;;) {
      const next = written + 1;
      await writeFile(join(folderOf(workspace), "count.txt"), `${next}\n`);
      written = next;
      try {
        await server.api.workspaces.archive({ params: at() });
        done();
        await server.api.workspaces.restore({ params: at() });
        done();
      } catch (error) {
        // Only a broken connection is expected, no error response.
        if ((error as Error).name === "ApiError") throw error;
        return;
      }
    }
  }

  // Each delay after a response interrupts another step.
  test.each([0, 15, 40, 65, 110])(
    "keeps the last bytes written: kill %i ms after a response",
    async (pause) => {
      let completed = 0;
      await work(() => {
        completed += 1;
        if (completed === 2 + (pause % 2)) setTimeout(() => server.signal("SIGKILL"), pause);
      });
      await server.waitForKill();
      await server.start();

      const { data: current } = await server.api.workspaces.get({ params: at() });
      expect(["active", "archived"]).toContain(current.status);
      const refs = await server.git("for-each-ref", "--format=%(objectname) %(refname)");
      const own = refs
        .split("\n")
        .filter((line) => /refs\/(?:archive|heads\/workspace-)/.test(line));
      expect(own).toHaveLength(1);
      expect(own[0]).toContain(
        `${current.head_commit} refs/${current.status === "active" ? "heads/" : "archive/"}`,
      );
      if (current.status === "archived") await server.api.workspaces.restore({ params: at() });
      expect(await readdir(join(folderOf(workspace), ".."))).toEqual(["ws_worker-1"]);
      const text = await readFile(join(folderOf(workspace), "count.txt"), "utf8");
      expect(text).toBe(`${written}\n`);
    },
  );
});
