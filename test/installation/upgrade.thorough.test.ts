import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { builtFile, root } from "../support/server/built-files.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { describeEachDriver, type FolderDriverName } from "../support/git/folder-drivers.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "../support/fixtures/factories.js";
import { runGit } from "../support/git/git.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

/** Version 0.1 of this repository. */
const released = "80fb57cb";
const isThere =
  spawnSync("git", ["cat-file", "-e", "80fb57c^{commit}"], { cwd: root }).status === 0;
const reason = isThere ? "" : ` (skipped: a shallow clone without the commit ${released})`;

/** Builds version 0.1 in a folder with today's dependencies, which include its own. */
async function buildReleased(folder: string): Promise<void> {
  const archive = execFileSync("git", ["archive", "80fb57c"], { cwd: root, maxBuffer: 2 ** 28 });
  execFileSync("tar", ["x", "-C", folder], { input: archive });
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: folder });
  const scope = { type: "module", imports: { "#shared/*.js": "./shared/*.js" } };
  await writeFile(join(folder, "dist/package.json"), JSON.stringify(scope));
  for (const path of ["server/db/migrations", "server/features/auth/common-passwords.txt"]) {
    await cp(join(folder, "src", path), join(folder, "dist", path), { recursive: true });
  }
}

const account = { email: "ada@example.com", password: "correct staple horse" };
const signIn = async (url: string): Promise<Client> =>
  clientOf(url, (await clientOf(url).auth.login({ body: account })).data.access_token);

let builds: string;
beforeAll(async () => {
  builds = await mkdtemp(join(tmpdir(), "omoi-released-"));
  if (isThere) await buildReleased(builds);
});
afterAll(() => rm(builds, { recursive: true, force: true }));

describe.skipIf(!isThere)(`data of version 0.1${reason}`, () => {
  describeEachDriver("its workspaces", suite);
});

function suite(driver: FolderDriverName): void {
  let folder: string;
  let dataDir: string;
  const servers: ServerProcess[] = [];
  const start = async (cwd?: string): Promise<ServerProcess & { url: string }> => {
    const settings = { OMOI_DATA_DIR: dataDir, OMOI_FOLDER_DRIVER: driver };
    const server = startServer(settings, [], cwd === undefined ? [] : ["env", "-C", cwd]);
    servers.push(server);
    return { ...server, url: await server.ready };
  };
  const stop = async (server: ServerProcess): Promise<void> => {
    server.process.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
  };
  /** Responses of version 0.1, to be compared. */
  const made = {} as {
    key: string;
    answers: Record<string, unknown>;
    agentId: string;
    folder: string;
    runId: string;
    cloneUrl: string;
    /** The files in the workspace's folder. */
    names: string[];
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-upgrade-"));
    dataDir = join(folder, "data");
    const old = await start(builds);
    await clientOf(old.url).auth.register({ body: account });
    const api = await signIn(old.url);
    const organization = await makeOrganization({ api });
    const project = await makeProject({ api }, organization.id);
    const { agent, workspace } = await makeWorkspace({ api }, project.id);
    const other = await makeWorkspace({ api }, project.id);
    const saved = { "a.txt": "one\n", "removed.txt": "removed\n", "replaced/old.txt": "old\n" };
    await commitFiles({ api }, workspace, saved);
    await mergeIntoBase({ api }, workspace);
    await commitFiles({ api }, other.workspace, { "a.txt": "two\n" });
    await mergeIntoBase({ api }, other.workspace);
    const { data: key } = await api.apiKeys.create({ body: { name: "old", scopes: ["*:*"] } });
    const params = { agent_id: agent.id };
    const body = { command: shell("echo said by 0.1; echo more >> run.txt") };
    const started = await api.runs.create({ params, body }).catch(() => null);
    if (started) await waitForRunEnd({ api }, started.data.id);
    const files = workspace.working_directory as string;
    for (const name of ["removed.txt", "replaced"])
      await rm(join(files, name), { recursive: true });
    await writeFiles(workspace, {
      "unsaved.txt": "not committed\n",
      "a.txt": "changed\n",
      "replaced/new.txt": "new\n",
    });
    Object.assign(made, {
      key: key.key,
      agentId: agent.id,
      folder: files,
      runId: started?.data.id,
      cloneUrl: project.clone_url,
      names: (await readdir(files)).toSorted(),
      answers: await read(api, organization.id, project.id, agent.id, started?.data.id),
    });
    await stop(old);
  }, 240_000);
  afterAll(async () => {
    for (const { process } of servers) if (process.exitCode === null) process.kill("SIGKILL");
    await removeDataFolder(folder);
  });

  /** The visible data, without figures and times that change. */
  async function read(
    api: Client,
    orgId: string,
    projectId: string,
    agentId: string,
    runId: string | undefined,
  ): Promise<Record<string, unknown>> {
    const org = { org_id: orgId };
    const agent = { agent_id: agentId };
    const organization = (await api.organizations.get({ params: org })).data;
    const project = (await api.projects.get({ params: { project_id: projectId } })).data;
    const members = (await api.members.list({ params: org, query: {} })).data;
    const commits = (await api.workspaces.commits({ params: agent, query: {} })).data;
    const merges = (await api.workspaces.merges({ params: agent, query: {} })).data;
    const audit = (await api.audit.list({ params: org, query: { limit: 200 } })).data;
    const run = runId ? (await api.runs.get({ params: { run_id: runId } })).data : null;
    return {
      organization: [organization.id, organization.name, organization.slug],
      project: [project.id, project.slug, project.status, project.created_at],
      members: members.map(({ user_id, role_id }) => [user_id, role_id]),
      commits: commits.map(({ commit_sha, message, created_at }) => [
        commit_sha,
        message,
        created_at,
      ]),
      merges: merges.map(({ id, merge_commit_sha, status }) => [id, merge_commit_sha, status]),
      audit: audit.map(({ id, action, hash }) => [id, action, hash]),
      run: run && [run.id, run.status, run.exit_code],
    };
  }

  test("this version finds everything", async () => {
    const server = await start();
    const api = await signIn(server.url);
    const [orgId] = made.answers["organization"] as [string];
    const [projectId] = made.answers["project"] as [string];
    const before = (made.answers["audit"] as unknown[]).length;
    const now = await read(api, orgId, projectId, made.agentId, made.runId);
    expect({ ...now, audit: (now["audit"] as unknown[]).slice(-before) }).toEqual(made.answers);
    // The old key works, in the API and in git.
    const byKey = clientOf(server.url, made.key);
    expect((await byKey.organizations.list({ query: {} })).data).toHaveLength(1);
    const address = `${server.url}${new URL(made.cloneUrl).pathname}`.replace(
      "://",
      `://x:${made.key}@`,
    );
    const clone = await runGit(["clone", "--quiet", address, join(folder, "clone")]);
    expect([clone.code, clone.stderr]).toEqual([0, expect.any(String)]);
    // Old unsaved work can be committed.
    expect(await readFile(join(made.folder, "unsaved.txt"), "utf8")).toBe("not committed\n");
    expect((await readdir(made.folder)).toSorted()).toEqual(made.names);
    expect(await readdir(join(made.folder, "replaced"))).toEqual(["new.txt"]);
    const params = { agent_id: made.agentId };
    const { data: commit } = await api.workspaces.createCommit({
      params,
      body: { commit_type: "manual" },
    });
    expect([commit.created, commit.files_changed >= 5]).toEqual([true, true]);
    expect((await api.workspaces.createMerge({ params, body: {} })).data.merge_commit_sha).not.toBe(
      null,
    );
    if (made.runId) {
      const log = await fetch(`${server.url}/api/v1/runs/${made.runId}/logs`, {
        headers: { authorization: `Bearer ${made.key}` },
      });
      expect(await log.text()).toContain("said by 0.1");
    }
    await stop(server);
  });

  test("audit logs and merges pass verification", async () => {
    for (const program of ["verify-audit", "verify-merges"]) {
      const child = spawn(process.execPath, [builtFile(`server/admin/${program}.js`)], {
        cwd: root,
        env: { PATH: process.env["PATH"], OMOI_DATA_DIR: dataDir },
      });
      const [out, err, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "close"),
      ]);
      expect([program, code, out + err]).toEqual([program, 0, expect.any(String)]);
    }
  });

  test("the database was backed up before its migration", async () => {
    const dumps = await readdir(join(dataDir, "dumps"));
    expect(dumps).toEqual([expect.stringMatching(/^before-0025_.*\.sql\.gz$/), "last-served"]);
    const dump = createReadStream(join(dataDir, "dumps", dumps[0] ?? ""));
    const sql = await text(dump.pipe(createGunzip()));
    expect(sql).toContain(account.email);
    expect(sql).toMatch(/^insert into public\.audit_events /m);
    await rm(join(folder, "clone"), { recursive: true, force: true });
  });
}
