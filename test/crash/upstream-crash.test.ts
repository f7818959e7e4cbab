import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Project } from "#shared/api/projects/projects.js";
import { storageIn } from "#server/data-folder/storage.js";
import { commitToRepository, git, makeRepository, makeTempFolder } from "../support/git/git.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";
import {
  startHttpsUpstream,
  upstreamCaFile,
  type HttpsUpstream,
} from "../support/git/upstream-servers.js";
import { removeDataFolder } from "../support/server/data-folder.js";

const token = "glpat-NobodyMayEverSeeThis-4711";
/** The forms in which the token could leak: plain, and as in basic authentication. */
const traces = [token, Buffer.from(`me:${token}`).toString("base64").slice(0, 40)];

describe("a server that is killed while it uses an upstream", () => {
  let dataDir: string;
  let root: string;
  let source: string;
  let upstream: HttpsUpstream;
  let server: ServerProcess;
  let said = "";
  let api: Client;
  let session: string;
  let project: Project;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-crash-"));
    root = await makeTempFolder();
    source = join(root, "site");
    await makeRepository(source, { "a.txt": "1\n" });
    await git(["config", "receive.denyCurrentBranch", "updateInstead"], { cwd: source });
    upstream = await startHttpsUpstream(root);
    upstream.users.set("me", token);
    await start();
    const person = { email: "ann@example.com", password: "correct staple horse" };
    await api.auth.register({ body: person });
    session = (await api.auth.login({ body: person })).data.access_token;
    api = clientOf(await server.ready, session);
  });
  afterAll(async () => {
    server.process.kill("SIGKILL");
    await server.ended;
    await upstream.close();
    await removeDataFolder(dataDir);
    await rm(root, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    server = startServer({
      OMOI_DATA_DIR: dataDir,
      OMOI_LOG_LEVEL: "debug",
      OMOI_IMPORT_PRIVATE_HOSTS: "true",
      OMOI_IMPORT_CA_FILE: upstreamCaFile,
    });
    api = clientOf(await server.ready, session);
  }

  const at = () => ({ project_id: project.id });
  const shown = async (): Promise<Project> => (await api.projects.get({ params: at() })).data;
  const gitInRepository = (...args: string[]): Promise<string> => {
    const repoPath = storageIn(dataDir).repository(project.organization_id, project.id);
    return git(["--git-dir", repoPath, ...args]);
  };

  /** Kills the server during git's request, inspects the machine, and restarts the server. */
  async function killDuring(service: string, begin: () => Promise<unknown>): Promise<void> {
    let reached = (): void => undefined;
    const there = new Promise<void>((resolve) => (reached = resolve));
    upstream.gate = async ({ method }) => {
      if (method !== "POST") return;
      reached();
      await new Promise(() => undefined);
    };
    await begin();
    await there;
    expect(upstream.asked.at(-1)).toContain(service);
    await expectNoTraceInProcesses();
    server.process.kill("SIGKILL");
    const { signal, stdout, stderr } = await server.ended;
    expect(signal).toBe("SIGKILL");
    said += stdout + stderr;
    upstream.gate = async () => undefined;
    await start();
  }

  async function settled(): Promise<Project> {
    for (;;) {
      const now = await shown();
      const busy = ["fetching", "pushing"].includes(now.upstream?.status ?? "");
      if (now.status !== "importing" && !busy) return now;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** No remains beside the repositories, and no locks in them. */
  async function expectNoLeftovers(): Promise<void> {
    const folder = join(storageIn(dataDir).repositories, project.organization_id);
    expect(await readdir(folder)).toEqual([`${project.id}.git`]);
    const names = await readdir(folder, { recursive: true });
    expect(names.filter((name) => /\.lock$|tmp_|\.keep$|import\.config/.test(name))).toEqual([]);
    await gitInRepository("fsck", "--full", "--strict");
  }

  test("finishes the import after a restart", async () => {
    const { data: org } = await api.organizations.create({ body: { name: "Crash" } });
    await killDuring("git-upload-pack", async () => {
      const { data } = await api.projects.create(
        {
          body: {
            organization_id: org.id,
            name: "Site",
            import_url: upstream.url("site/.git"),
            credential: { kind: "https_token", username: "me", token },
          },
        },
        { headers: { "idempotency-key": "once" } },
      );
      project = data;
    });
    const ready = await settled();
    expect([ready.status, ready.error]).toEqual(["ready", null]);
    await expectNoLeftovers();
  });

  test("finishes a fetch after a restart", async () => {
    await commitToRepository(source, { "b.txt": "2\n" });
    await killDuring("git-upload-pack", () => api.upstreams.fetch({ params: at() }));
    const { upstream: now } = await settled();
    expect(now).toMatchObject({ status: "idle", error: null, ahead: 0, behind: 0 });
    expect(await gitInRepository("rev-parse", "main")).toBe(
      await git(["rev-parse", "main"], { cwd: source }),
    );
    await expectNoLeftovers();
  });

  test("finishes a push after a restart, once", async () => {
    const { data: agent } = await api.agents.create({
      body: { project_id: project.id, name: "worker-1" },
    });
    const params = { agent_id: agent.id };
    await api.workspaces.create({ params, body: { workspace_type: "remote" } });
    // A commit outside of any workspace, at the place of a merge.
    const tree = await gitInRepository("rev-parse", "main^{tree}");
    const identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    const parent = await gitInRepository("rev-parse", "main");
    const commit = await gitInRepository(...identity, "commit-tree", "-p", parent, "-m", "x", tree);
    await gitInRepository("update-ref", "refs/heads/main", commit);
    await killDuring("git-receive-pack", () => api.upstreams.push({ params: at() }));
    const { upstream: now } = await settled();
    expect(now).toMatchObject({ status: "idle", error: null, ahead: 0, behind: 0 });
    expect(await git(["rev-parse", "main"], { cwd: source })).toBe(commit);
    const { data: events } = await api.audit.list({
      params: { org_id: project.organization_id },
      query: { action: "project.upstream_pushed" },
    });
    expect(events).toHaveLength(1);
    expect(events[0]?.actor).toMatchObject({ type: "user" });
    await expectNoLeftovers();
  });

  test("leaves no trace of the token in the data folder, the database or the log", async () => {
    server.process.kill("SIGTERM");
    const { stdout, stderr } = await server.ended;
    said += stdout + stderr;
    for (const trace of traces) expect(said).not.toContain(trace);
    let files = 0;
    for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const bytes = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0));
      files += 1;
      for (const trace of traces)
        expect([entry.name, bytes.includes(trace)]).toEqual([entry.name, false]);
    }
    expect(files).toBeGreaterThan(500);
  });
});

/** Inspects the command line and environment of every process on this machine. */
async function expectNoTraceInProcesses(): Promise<void> {
  const ids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  let seen = 0;
  for (const id of ids) {
    if (id === String(process.pid)) continue;
    for (const what of ["cmdline", "environ"]) {
      const text = await readFile(`/proc/${id}/${what}`).catch(() => null);
      if (text === null) continue;
      if (text.includes("git-remote-https") || text.includes("remote-https")) seen += 1;
      for (const trace of traces)
        expect([id, what, text.includes(trace)]).toEqual([id, what, false]);
    }
  }
  if (ids.length > 0) expect(seen).toBeGreaterThan(0);
}
