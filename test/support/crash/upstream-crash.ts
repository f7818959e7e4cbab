/** A server that is killed while it uses a project's upstream, and the traces of the upstream's token. */
import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { git, makeRepository, makeTempFolder } from "../git/git.js";
import { startHttpsUpstream, upstreamCaFile, type HttpsUpstream } from "../git/upstream-servers.js";
import { RestartableServer } from "./restartable-server.js";

const token = "glpat-NobodyMayEverSeeThis-4711";
/** The forms in which the token could leak: plain, and as in basic authentication. */
const traces = [token, Buffer.from(`me:${token}`).toString("base64").slice(0, 40)];

export class UpstreamCrash {
  readonly server = new RestartableServer({
    OMOI_LOG_LEVEL: "debug",
    OMOI_IMPORT_PRIVATE_HOSTS: "true",
    OMOI_IMPORT_CA_FILE: upstreamCaFile,
  });
  upstream!: HttpsUpstream;
  /** The folder of the upstream's repository. */
  source!: string;
  #root!: string;
  #output = "";

  async open(): Promise<void> {
    this.#root = await makeTempFolder();
    this.source = join(this.#root, "site");
    await makeRepository(this.source, { "a.txt": "1\n" });
    await git(["config", "receive.denyCurrentBranch", "updateInstead"], { cwd: this.source });
    this.upstream = await startHttpsUpstream(this.#root);
    this.upstream.users.set("me", token);
    await this.server.open();
  }

  async close(): Promise<void> {
    await this.upstream.close();
    await this.server.close();
    await rm(this.#root, { recursive: true, force: true });
  }

  at(): { project_id: string } {
    return { project_id: this.server.project.id };
  }

  /** Creates the project by an import, which goes on after the answer. */
  async importProject(): Promise<void> {
    const { api } = this.server;
    const { data: org } = await api.organizations.create({ body: { name: "Crash" } });
    const { data } = await api.projects.create(
      {
        body: {
          organization_id: org.id,
          name: "Site",
          import_url: this.upstream.url("site/.git"),
          credential: { kind: "https_token", username: "me", token },
        },
      },
      { headers: { "idempotency-key": "once" } },
    );
    this.server.project = data;
  }

  /** Kills the server during git's request, inspects the machine, and restarts the server. */
  async killDuring(service: string, begin: () => Promise<unknown>): Promise<void> {
    let reached = (): void => undefined;
    const there = new Promise<void>((resolve) => (reached = resolve));
    this.upstream.gate = async ({ method }) => {
      if (method !== "POST") return;
      reached();
      await new Promise(() => undefined);
    };
    await begin();
    await there;
    expect(this.upstream.asked.at(-1)).toContain(service);
    await expectNoTraceInProcesses();
    const { stdout, stderr } = await this.server.kill();
    this.#output += stdout + stderr;
    this.upstream.gate = async () => undefined;
    await this.server.start();
  }

  async settled(): Promise<Project> {
    for (;;) {
      const now = (await this.server.api.projects.get({ params: this.at() })).data;
      const busy = ["fetching", "pushing"].includes(now.upstream?.status ?? "");
      if (now.status !== "importing" && !busy) return now;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** No remains beside the repositories, and no locks in them. */
  async expectNoLeftovers(): Promise<void> {
    const folder = dirname(this.server.repoPath);
    expect(await readdir(folder)).toEqual([`${this.server.project.id}.git`]);
    const names = await readdir(folder, { recursive: true });
    expect(names.filter((name) => /\.lock$|tmp_|\.keep$|import\.config/.test(name))).toEqual([]);
    await this.server.git("fsck", "--full", "--strict");
  }

  /** Stops the server; then the token is neither in its data folder with the database nor in its log. */
  async expectNoTraceLeft(): Promise<void> {
    const { stdout, stderr } = await this.server.stop();
    this.#output += stdout + stderr;
    for (const trace of traces) expect(this.#output).not.toContain(trace);
    let files = 0;
    for (const entry of await readdir(this.server.dataDir, {
      recursive: true,
      withFileTypes: true,
    })) {
      if (!entry.isFile()) continue;
      const bytes = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0));
      files += 1;
      for (const trace of traces)
        expect([entry.name, bytes.includes(trace)]).toEqual([entry.name, false]);
    }
    expect(files).toBeGreaterThan(500);
  }
}

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
