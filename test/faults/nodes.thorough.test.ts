/** Servers on machines of their own whose clocks are ten minutes apart, and a runner whose clock is behind both. */
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storageIn } from "#server/data-folder/storage.js";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  folderOf,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "../support/fixtures/factories.js";
import { shell, waitForRun, waitForRunEnd } from "../support/fixtures/runs.js";
import { git } from "../support/git/git.js";
import {
  bootRefused,
  bootServer,
  machineClient,
  openInstallation,
  type Installation,
  type ServerMachine,
} from "../support/machines/installation.js";
import type { Machine } from "../support/machines/machine.js";
import { whyNoMachines } from "../support/machines/network.js";
import { makeRemote } from "../support/runners/remote-workspaces.js";
import { root } from "../support/server/built-files.js";

const reason = whyNoMachines();
const TEN_MINUTES_MS = 600_000;
const LEASE_MS = 15_000;

const title = "servers on machines";
describe.skipIf(reason !== null)(reason === null ? title : `${title} (${reason})`, () => {
  let installation: Installation;
  let first: ServerMachine;
  /** Its clock is ten minutes ahead. */
  let second: ServerMachine;
  /** Continues the second one with a copy of its folder. */
  let copied: ServerMachine;
  let runner: Machine;
  let api: Client;
  let key: string;
  let organizationId: string;
  /** A project of the second server, with a workspace. */
  let project: Project;
  let workspace: Workspace;
  const person = { email: "ann@example.com", password: "correct staple horse" };
  const signIn = async ({ url }: ServerMachine): Promise<string> =>
    (await machineClient(url, null).auth.login({ body: person })).data.access_token;

  beforeAll(async () => {
    installation = await openInstallation();
    first = installation.addServer("node-1");
    second = installation.addServer("node-2", { clockMs: TEN_MINUTES_MS });
    await bootServer(first);
    await bootServer(second);
    await machineClient(first.url, null).auth.register({ body: person });
    const token = await signIn(first);
    const signedIn = machineClient(first.url, token, 60_000);
    key = (await signedIn.apiKeys.create({ body: { name: "tests" } })).data.key as string;
    api = machineClient(first.url, key, 60_000);
    await installation.balance([first, second]);
    const { data } = await signedIn.runners.create({ body: { name: "runner-1" } });
    runner = installation.addRunner("runner-1", data.token as string, -TEN_MINUTES_MS);
    organizationId = (await makeOrganization({ api })).id;
    do project = await makeProject({ api }, organizationId);
    while ((await homeOf(project)) !== second.name);
    ({ workspace } = await makeWorkspace({ api }, project.id));
  });
  afterAll(() => installation?.close());

  async function homeOf({ id }: Project): Promise<string | undefined> {
    const [row] = await installation.postgres.query<{ name: string }>(
      "select n.name from projects p join nodes n on n.id = p.home_node where p.id = $1",
      [id],
    );
    return row?.name;
  }
  /** The path of a file in the workspace, on the second machine. */
  const inWorkspace = (name: string): string =>
    join(`/proc/${second.firstPid()}/root`, folderOf(workspace), name);
  const commit = async (client: Client, name: string): Promise<string> => {
    await writeFile(inWorkspace(name), `${name}\n`);
    const params = { agent_id: workspace.agent_id };
    const body = { commit_type: "manual", message: name } as const;
    return (await client.workspaces.createCommit({ params, body })).data.commit_sha;
  };
  const inRepository = (...args: string[]): Promise<string> => {
    const repository = storageIn(second.dataDir).repository(organizationId, project.id);
    return git(["-c", "safe.directory=*", "--git-dir", repository, ...args]);
  };

  test("whose clocks are ten minutes apart serve each other's projects, keys and sessions", async () => {
    const behind = machineClient(second.url, await signIn(first), 60_000);
    const ahead = machineClient(first.url, await signIn(second), 60_000);
    for (const client of [behind, ahead]) {
      expect((await client.auth.me()).data.email).toBe(person.email);
      const sha = await commit(client, `file-${client === behind ? 1 : 2}`);
      expect(await inRepository("rev-parse", workspace.branch_name)).toBe(sha);
    }
    const other = machineClient(second.url, key, 60_000);
    const made = (await other.apiKeys.create({ body: { name: "short" } })).data;
    const holders = [first, second].map(({ url }) => machineClient(url, made.key as string));
    for (const holder of holders) await holder.auth.me();
    await api.apiKeys.revoke({ params: { key_id: made.id } });
    for (const holder of holders) {
      await expect(holder.auth.me()).rejects.toMatchObject({ code: "invalid_token" });
    }
  }, 300_000);

  test("whose clocks are ten minutes apart count the time of runs once, at home and on a runner", async () => {
    runner.boot();
    const { agent } = await makeRemote({ api }, project.id);
    for (const agent_id of [workspace.agent_id, agent.id]) {
      const body = { command: shell("sleep 2; echo done > done.txt"), queue: true };
      const { data: started } = await api.runs.create({ params: { agent_id }, body });
      const run = await waitForRunEnd({ api }, started.id);
      expect(run).toMatchObject({ status: "succeeded", exit_code: 0 });
      const ms = Date.parse(String(run.ended_at)) - Date.parse(String(run.started_at));
      expect(ms).toBeGreaterThanOrEqual(2000);
      // Far less than the difference of the clocks.
      expect(ms).toBeLessThan(TEN_MINUTES_MS / 2);
    }
  }, 300_000);

  test("cut off from PostgreSQL stop writing before their leases end", async () => {
    const params = { agent_id: workspace.agent_id };
    const command = shell(
      "trap '' TERM; while true; do date +%s%3N >> times; sleep 0.02; done; exit 0",
    );
    const { data: run } = await api.runs.create({ params, body: { command } });
    await waitForRun({ api }, run.id, ({ status }) => status === "running");
    const timesIn = async (): Promise<number[]> => {
      const text = await readFile(inWorkspace("times"), "utf8").catch(() => "");
      return text.split("\n").filter(Boolean).map(Number);
    };
    await expect.poll(timesIn).not.toEqual([]);
    const { agent, workspace: idle } = await makeWorkspace({ api }, project.id);
    const branch = idle.branch_name;
    /** Writes at the server itself, which its clients still reach. */
    const direct = machineClient(second.url, key, 5000);
    const write = async (name: string): Promise<string | null> => {
      const folder = join(`/proc/${second.firstPid()}/root`, folderOf(idle));
      await writeFile(join(folder, name), `${name}\n`);
      const body = { commit_type: "manual", message: name } as const;
      const answer = await direct.workspaces
        .createCommit({ params: { agent_id: agent.id }, body })
        .catch(() => null);
      return answer?.data.commit_sha ?? null;
    };
    await expect.poll(() => write("before")).not.toBeNull();

    second.blackhole(installation.postgres.address, true);
    const cutAt = Date.now();
    const acknowledged: string[] = [];
    let headAtLease: string | null = null;
    for (let count = 1; Date.now() < cutAt + LEASE_MS + 10_000; count += 1) {
      const sha = await write(`cut-${count}`);
      if (sha !== null) acknowledged.push(sha);
      const [node] = await installation.postgres.query<{ is_over: boolean }>(
        "select lease_until < clock_timestamp() as is_over from nodes where name = $1",
        [second.name],
      );
      if (node?.is_over) headAtLease ??= await inRepository("rev-parse", branch);
      await pause(300);
    }
    const [lease] = await installation.postgres.query<{ ms: string }>(
      "select extract(epoch from lease_until) * 1000 as ms from nodes where name = $1",
      [second.name],
    );
    expect((await timesIn()).at(-1)).toBeLessThan(Number(lease?.ms));
    // Without its database, it has acknowledged nothing, and moved no branch after the lease.
    expect(acknowledged).toEqual([]);
    expect(await inRepository("rev-parse", branch)).toBe(headAtLease);
    second.blackhole(installation.postgres.address, false);

    await expect.poll(() => write("after")).not.toBeNull();
    expect((await waitForRunEnd({ api }, run.id)).status).toBe("lost");
    const { data: commits } = await api.workspaces.commits({
      params: { agent_id: agent.id },
      query: {},
    });
    // Git has nothing that the other server does not know.
    const inGit = await inRepository("rev-list", branch, `^${idle.parent_commit}`);
    expect(inGit.split("\n")).toEqual(commits.map(({ commit_sha }) => commit_sha));
  }, 300_000);

  test("with the name or a copy of the folder of another one are refused", async () => {
    const twin = installation.addServer("node-3", { nodeName: second.name });
    expect(await bootRefused(twin)).toContain(
      "OMOI_NODE_NAME node-2 belongs to the data folder of another server at the host node-2",
    );
    const dataDir = join(installation.folder, "copy");
    copied = installation.addServer("node-4", { nodeName: second.name, dataDir });
    await cp(second.dataDir, dataDir, { recursive: true, filter: isCopied });
    expect(await bootRefused(copied)).toContain(
      "A server with the same data folder is running at the host node-2",
    );
    // The volume of a machine that is gone continues its node on another one.
    await second.kill();
    await bootServer(copied);
    expect(await bootRefused(second)).toContain(
      "A server with the same data folder is running at the host node-4",
    );
    await copied.kill();
    // The first volume lacks the work of the other one.
    expect(await bootRefused(second)).toContain(
      "is out of date: the server node-2 at the host node-4 has served a newer copy of it since",
    );
    await bootServer(copied);
    await expect
      .poll(() => api.projects.get({ params: { project_id: project.id } }).catch(() => null))
      .toMatchObject({ data: { id: project.id } });
  }, 300_000);

  test("of a version that changes the database wait until those of the earlier one have stopped", async () => {
    const built = join(installation.folder, "newer");
    await mkdir(built);
    await cp(join(root, "dist"), join(built, "dist"), { recursive: true });
    await symlink(join(root, "node_modules"), join(built, "node_modules"));
    await writeFile(
      join(built, "dist/server/db/migrations/9999_newer.sql"),
      "alter table projects rename column description to explanation;\n",
    );
    const newer = installation.addServer("node-5", { built });
    expect(await bootRefused(newer)).toMatch(
      /This version changes the database, which the servers? node-[12].* of another version uses?; stop/,
    );
    // The earlier version has gone on.
    await makeProject({ api }, organizationId);
    await first.shutdown();
    for (const server of [second, copied]) await server.kill();
    await bootServer(newer);
    for (const server of [first, copied]) {
      expect(await bootRefused(server)).toContain(
        "The database was migrated by a newer Omoi (9999_newer.sql)",
      );
    }
  }, 300_000);
});

/** Sockets and pipes of runs cannot be copied. */
const isCopied = (path: string): boolean => !path.includes("/sandbox/");
