import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { listMounts } from "#git/worktree/mounts.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import {
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "../support/fixtures/factories.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

const isRoot = process.getuid?.() === 0;
const workspaces = 50;
let dataDir: string;
const servers: ServerProcess[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "omoi-mounts-"));
});
afterEach(async () => {
  for (const { process } of servers) if (process.exitCode === null) process.kill("SIGKILL");
  await removeDataFolder(dataDir);
});

const start = async (): Promise<ServerProcess & { url: string }> => {
  const server = startServer({ OMOI_DATA_DIR: dataDir, OMOI_FOLDER_DRIVER: "overlay" });
  servers.push(server);
  return { ...server, url: await server.ready };
};

test.skipIf(!isRoot)(
  `a stop unmounts ${workspaces} workspaces, and the next start mounts them again`,
  async () => {
    const server = await start();
    const body = { email: "ada@example.com", password: "correct staple horse" };
    await clientOf(server.url).auth.register({ body });
    const { data: tokens } = await clientOf(server.url).auth.login({ body });
    const owner = { api: clientOf(server.url, tokens.access_token) };
    const project = await makeProject(owner, (await makeOrganization(owner)).id);
    const made: Workspace[] = [];
    for (let i = 0; i < workspaces; i += 5) {
      const five = Array.from({ length: 5 }, () => makeWorkspace(owner, project.id));
      made.push(...(await Promise.all(five)).map(({ workspace }) => workspace));
    }
    for (const workspace of made)
      await writeFile(join(folderOf(workspace), "unsaved.txt"), workspace.agent_id);
    expect(await listMounts(dataDir)).toHaveLength(workspaces);
    server.process.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
    expect(await listMounts(dataDir)).toEqual([]);

    const again = await start();
    await expect.poll(async () => (await listMounts(dataDir)).length).toBe(workspaces);
    for (const workspace of made) {
      expect(await readFile(join(folderOf(workspace), "unsaved.txt"), "utf8")).toBe(
        workspace.agent_id,
      );
    }
    again.process.kill("SIGTERM");
    expect((await again.ended).code).toBe(0);
    expect(await listMounts(dataDir)).toEqual([]);
  },
  240_000,
);
