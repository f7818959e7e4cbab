import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { listMounts } from "#git/worktree/mounts.js";
import { probeOverlay } from "#git/worktree/probe-overlay.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { folderOf } from "../support/fixtures/factories.js";
import {
  clientOf,
  postgresPid,
  startServer,
  type ServerProcess,
} from "../support/server/server-process.js";

const run = promisify(execFile);
const missing = await probeOverlay("overlay");
const suffix = missing === null ? "" : ` (${missing})`;

describe.skipIf(missing !== null)(`mounted folders${suffix}`, { timeout: 240_000 }, () => {
  let dataDir: string;
  let server: ServerProcess;
  let api: Client;
  let token: string | undefined;
  let workspace: Workspace;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-switch-"));
    token = undefined;
    await start("overlay");
    workspace = await workspaceWithChanges();
  });
  afterEach(async () => {
    await stop();
    await removeDataFolder(dataDir);
  });

  async function start(
    driver: "auto" | "overlay" | "checkout",
    { env = {}, through = [] }: { env?: Record<string, string>; through?: string[] } = {},
  ): Promise<void> {
    const settings = { OMOI_DATA_DIR: dataDir, OMOI_FOLDER_DRIVER: driver, ...env };
    const kill = ["--import", "./test/support/crash/kill-at-effect.mjs"];
    server = startServer(settings, "KILL_AT" in env ? kill : [], through);
    api = clientOf(await server.ready, token);
  }

  async function stop(): Promise<void> {
    server.process.kill("SIGTERM");
    await server.ended;
  }

  /** A workspace whose folder differs from its commit in every way that layers can express. */
  async function workspaceWithChanges(): Promise<Workspace> {
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await api.auth.register({ body: person });
    token = (await api.auth.login({ body: person })).data.access_token;
    const url = server.ready.then((address) => clientOf(address, token));
    api = await url;
    const { data: org } = await api.organizations.create({ body: { name: "Switch" } });
    const project = { organization_id: org.id, name: "Site" };
    const { data: made } = await api.projects.create({ body: project });
    const seed = await workspaceOf(made.id, "seed");
    for (const path of ["a/b/one", "a/b/two", "moved/in/file", "anew/old", "gone/file", "kept"]) {
      await mkdir(join(folderOf(seed), path, ".."), { recursive: true });
      await writeFile(join(folderOf(seed), path), `${path}\n`);
    }
    await writeFile(join(folderOf(seed), ".gitignore"), "ignored/\n");
    await api.workspaces.createMerge({ params: { agent_id: seed.agent_id } });
    const changed = await workspaceOf(made.id, "changed");
    const at = (path: string): string => join(folderOf(changed), path);
    await writeFile(at("a/b/one"), "changed\n");
    await rm(at("a/b/two"));
    await rm(at("gone"), { recursive: true });
    await rm(at("anew"), { recursive: true });
    await mkdir(at("anew"));
    await writeFile(at("anew/new"), "new\n");
    await rename(at("moved"), at("renamed"));
    await mkdir(at("ignored"));
    await writeFile(at("ignored/cache"), "not committed\n");
    await symlink("/etc/passwd", at("link"));
    await chmod(at("kept"), 0o755);
    return changed;
  }

  async function workspaceOf(project_id: string, name: string): Promise<Workspace> {
    const { data: agent } = await api.agents.create({ body: { project_id, name } });
    return (await api.workspaces.create({ params: { agent_id: agent.id } })).data;
  }

  const params = () => ({ agent_id: workspace.agent_id });
  const changes = async () => (await api.workspaces.changes({ params: params() })).data;
  const driver = async () => (await api.workspaces.get({ params: params() })).data.folder_driver;

  /** Each path with type, mode, owner, target and content. */
  async function content(): Promise<string> {
    const format = "%P %y %m %U %G %l\n";
    const folder = { cwd: folderOf(workspace) };
    const { stdout: paths } = await run("find", [".", "-printf", format], folder);
    const { stdout: sums } = await run(
      "find",
      [".", "-type", "f", "-exec", "sha256sum", "{}", "+"],
      folder,
    );
    return [...paths.split("\n"), ...sums.split("\n")].toSorted().join("\n");
  }

  async function untilPlain(): Promise<void> {
    await expect.poll(driver).toBe("checkout");
    // Including the other workspace's.
    await expect.poll(() => listMounts(dataDir)).toEqual([]);
  }

  test("are unmounted at shutdown, even if the database died before", async () => {
    expect(await listMounts(dataDir)).not.toEqual([]);
    process.kill((await postgresPid(dataDir)) as number, "SIGQUIT");
    await expect.poll(() => postgresPid(dataDir)).toBeNull();
    await stop();
    expect(await listMounts(dataDir)).toEqual([]);
  });

  test("are converted completely if the driver changes to checkout, and stay so", async () => {
    const before = { content: await content(), changes: await changes() };
    expect(before.changes.files.map(({ path }) => path)).toContain("renamed/in/file");
    await stop();

    await start("checkout");
    await untilPlain();
    expect(await content()).toBe(before.content);
    expect(await changes()).toEqual(before.changes);
    await writeFile(join(folderOf(workspace), "later"), "later\n");
    const now = { content: await content(), changes: await changes() };
    await stop();

    await start("overlay");
    expect(await driver()).toBe("checkout");
    expect(await content()).toBe(now.content);
    expect(await changes()).toEqual(now.changes);
    const body = { commit_type: "checkpoint" } as const;
    expect((await api.workspaces.createCommit({ params: params(), body })).data.created).toBe(true);
    await api.workspaces.archive({ params: params() });
    expect((await api.workspaces.restore({ params: params() })).data.folder_driver).toBe("overlay");
  });

  test("are converted even if the server is killed at any time", async () => {
    const before = { content: await content(), changes: await changes() };
    await stop();
    for (let effect = 1; ; effect += 4) {
      const when = effect % 2 === 1 ? "before" : "after";
      const env = { KILL_AT: String(effect), KILL_WHEN: when, KILL_FROM: "cp" };
      await start("checkout", { env });
      const isOver = await Promise.race([
        server.ended.then(() => false),
        untilPlain().then(
          () => true,
          (error: unknown) => server.stderr() + String(error),
        ),
      ]);
      if (isOver === false) continue;
      expect(isOver).toBe(true);
      expect(effect).toBeGreaterThan(4);
      break;
    }
    // Unmounts and starts with the driver `checkout`.
    await stop();
    await start("checkout");
    expect(await driver()).toBe("checkout");
    expect(await content()).toBe(before.content);
    expect(await changes()).toEqual(before.changes);
    // No layer is in use, and no remains of the copies exist.
    await expect.poll(left).toEqual([]);
  });

  /** Parts of overlays, and remains of creations and removals. */
  async function left(): Promise<string[]> {
    const below = ["overlays", "lowers", "workspaces"].map((name) => join(dataDir, name));
    const deep = ["-mindepth", "2", "-maxdepth", "3", "-not", "-path", `${below[2]}/*/ws_*/*`];
    const { stdout } = await run("find", [...below, ...deep]);
    return stdout
      .split("\n")
      .filter((path) =>
        /\/(?:overlays|lowers)\/[^/]+\/[^/]+\/|\.(?:creating|removing)-/.test(path),
      );
  }

  test("answer 503 without data loss if they cannot be mounted, and their commits stay readable", async () => {
    const before = { content: await content(), changes: await changes() };
    const body = { commit_type: "checkpoint" } as const;
    const { data: commit } = await api.workspaces.createCommit({ params: params(), body });
    await writeFile(join(folderOf(workspace), "unsaved"), "unsaved\n");
    const unsaved = await content();
    await stop();

    const through = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
    await start("auto", { through, env: { OMOI_SANDBOX: "off" } });
    await expect(changes()).rejects.toMatchObject({
      status: 503,
      code: "folder_unavailable",
      message: expect.stringContaining("OMOI_FOLDER_DRIVER=checkout"),
    });
    await expect(api.workspaces.createCommit({ params: params(), body })).rejects.toMatchObject({
      code: "folder_unavailable",
    });
    await expect(api.workspaces.archive({ params: params() })).rejects.toMatchObject({
      code: "folder_unavailable",
    });
    const { data: commits } = await api.workspaces.commits({ params: params() });
    expect(commits.map(({ commit_sha }) => commit_sha)).toEqual([commit.commit_sha]);
    const sha = commit.commit_sha;
    const { data: diff } = await api.workspaces.diff({ params: { ...params(), sha } });
    expect(diff.files.map(({ path }) => path)).toEqual(
      before.changes.files.map(({ path }) => path),
    );
    await stop();

    await start("checkout");
    await untilPlain();
    expect(await content()).toBe(unsaved);
  });
});
