import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { folderOf } from "../support/fixtures/factories.js";
import { git } from "../support/git/git.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";
import { removeDataFolder } from "../support/server/data-folder.js";

describe("a server that is killed while workspaces are archived and restored", () => {
  let dataDir: string;
  let server: ServerProcess;
  let url: string;
  let token: string;
  let api: Client;
  let project: Project;
  let workspace: Workspace;
  let written = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-crash-"));
    await start();
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(url).auth.register({ body: person });
    token = (await clientOf(url).auth.login({ body: person })).data.access_token;
    api = clientOf(url, token);
    const { data: org } = await api.organizations.create({ body: { name: "Crash" } });
    project = (await api.projects.create({ body: { organization_id: org.id, name: "Site" } })).data;
    const { data: agent } = await api.agents.create({
      body: { project_id: project.id, name: "worker-1" },
    });
    workspace = (await api.workspaces.create({ params: { agent_id: agent.id } })).data;
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

  const at = () => ({ agent_id: workspace.agent_id });

  /**
   * Writes, archives and restores until the server is gone; returns the number of completed acts.
   */
  async function work(done: () => void): Promise<void> {
    for (;;) {
      const next = written + 1;
      await writeFile(join(folderOf(workspace), "count.txt"), `${next}\n`);
      written = next;
      try {
        await api.workspaces.archive({ params: at() });
        done();
        await api.workspaces.restore({ params: at() });
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
    "keeps the last bytes written: kill %i ms into an act",
    async (pause) => {
      let acts = 0;
      await work(() => {
        acts += 1;
        if (acts === 2 + (pause % 2)) setTimeout(() => server.process.kill("SIGKILL"), pause);
      });
      expect((await server.ended).signal).toBe("SIGKILL");
      await start();

      const { data: shown } = await api.workspaces.get({ params: at() });
      expect(["active", "archived"]).toContain(shown.status);
      const repoPath = storageIn(dataDir).repository(project.organization_id, project.id);
      const refs = (
        await git(["--git-dir", repoPath, "for-each-ref", "--format=%(objectname) %(refname)"])
      ).split("\n");
      const ofIt = refs.filter((line) => /refs\/(?:archive|heads\/workspace-)/.test(line));
      expect(ofIt).toHaveLength(1);
      expect(ofIt[0]).toContain(
        `${shown.head_commit} refs/${shown.status === "active" ? "heads/" : "archive/"}`,
      );
      if (shown.status === "archived") await api.workspaces.restore({ params: at() });
      expect(await readdir(join(folderOf(workspace), ".."))).toEqual(["ws_worker-1"]);
      const text = await readFile(join(folderOf(workspace), "count.txt"), "utf8");
      expect(text).toBe(`${written}\n`);
    },
  );
});
