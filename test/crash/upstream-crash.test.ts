import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { commitToRepository, git, makeRepository, makeTempFolder } from "../support/git/git.js";
import {
  startHttpsUpstream,
  upstreamCaFile,
  type HttpsUpstream,
} from "../support/git/upstream-servers.js";

const token = "glpat-NobodyMayEverSeeThis-4711";
/** The forms in which the token could leak: plain, and as in basic authentication. */
const traces = [token, Buffer.from(`me:${token}`).toString("base64").slice(0, 40)];

describe("a server that is killed while it uses an upstream", () => {
  const server = new RestartableServer({
    OMOI_LOG_LEVEL: "debug",
    OMOI_IMPORT_PRIVATE_HOSTS: "true",
    OMOI_IMPORT_CA_FILE: upstreamCaFile,
  });
  let root: string;
  let source: string;
  let upstream: HttpsUpstream;
  let output = "";

  beforeAll(async () => {
    root = await makeTempFolder();
    source = join(root, "site");
    await makeRepository(source, { "a.txt": "1\n" });
    await git(["config", "receive.denyCurrentBranch", "updateInstead"], { cwd: source });
    upstream = await startHttpsUpstream(root);
    upstream.users.set("me", token);
    await server.open();
  });
  afterAll(async () => {
    await upstream.close();
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  const at = () => ({ project_id: server.project.id });
  const getProject = async (): Promise<Project> =>
    (await server.api.projects.get({ params: at() })).data;

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
    const { stdout, stderr } = await server.kill();
    output += stdout + stderr;
    upstream.gate = async () => undefined;
    await server.start();
  }

  async function settled(): Promise<Project> {
    for (;;) {
      const now = await getProject();
      const busy = ["fetching", "pushing"].includes(now.upstream?.status ?? "");
      if (now.status !== "importing" && !busy) return now;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** No remains beside the repositories, and no locks in them. */
  async function expectNoLeftovers(): Promise<void> {
    const folder = dirname(server.repoPath);
    expect(await readdir(folder)).toEqual([`${server.project.id}.git`]);
    const names = await readdir(folder, { recursive: true });
    expect(names.filter((name) => /\.lock$|tmp_|\.keep$|import\.config/.test(name))).toEqual([]);
    await server.git("fsck", "--full", "--strict");
  }

  test("finishes the import after a restart", async () => {
    const { data: org } = await server.api.organizations.create({ body: { name: "Crash" } });
    await killDuring("git-upload-pack", async () => {
      const { data } = await server.api.projects.create(
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
      server.project = data;
    });
    const ready = await settled();
    expect([ready.status, ready.error]).toEqual(["ready", null]);
    await expectNoLeftovers();
  });

  test("finishes a fetch after a restart", async () => {
    await commitToRepository(source, { "b.txt": "2\n" });
    await killDuring("git-upload-pack", () => server.api.upstreams.fetch({ params: at() }));
    const { upstream: now } = await settled();
    expect(now).toMatchObject({ status: "idle", error: null, ahead: 0, behind: 0 });
    expect(await server.git("rev-parse", "main")).toBe(
      await git(["rev-parse", "main"], { cwd: source }),
    );
    await expectNoLeftovers();
  });

  test("finishes a push after a restart, once", async () => {
    await server.createWorkspace("remote");
    // A commit outside of any workspace, at the place of a merge.
    const tree = await server.git("rev-parse", "main^{tree}");
    const identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    const parent = await server.git("rev-parse", "main");
    const commit = await server.git(...identity, "commit-tree", "-p", parent, "-m", "x", tree);
    await server.git("update-ref", "refs/heads/main", commit);
    await killDuring("git-receive-pack", () => server.api.upstreams.push({ params: at() }));
    const { upstream: now } = await settled();
    expect(now).toMatchObject({ status: "idle", error: null, ahead: 0, behind: 0 });
    expect(await git(["rev-parse", "main"], { cwd: source })).toBe(commit);
    const { data: events } = await server.api.audit.list({
      params: { org_id: server.project.organization_id },
      query: { action: "project.upstream_pushed" },
    });
    expect(events).toHaveLength(1);
    expect(events[0]?.actor).toMatchObject({ type: "user" });
    await expectNoLeftovers();
  });

  test("leaves no trace of the token in the data folder, the database or the log", async () => {
    const { stdout, stderr } = await server.stop();
    output += stdout + stderr;
    for (const trace of traces) expect(output).not.toContain(trace);
    let files = 0;
    for (const entry of await readdir(server.dataDir, { recursive: true, withFileTypes: true })) {
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
