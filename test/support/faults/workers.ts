/** A client that works all the time, at servers that it chooses at random, and notes down every answer. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "#shared/contract/client.js";
import { git, runGit } from "../git/git.js";
import { withKey } from "../git/clone.js";
import { machineClient } from "../machines/installation.js";
import { shell } from "../fixtures/runs.js";
import { attempt, insist, type Journal } from "./journal.js";
import type { World, WorldProject, WorldWorkspace } from "./world.js";

export interface Workers {
  /** Ends the work after the requests under way. */
  stop(): Promise<void>;
}

interface Working {
  world: World;
  journal: Journal;
  random: () => number;
  signal: AbortSignal;
  anyClient: () => Client;
}

const PAUSE_MS = 150;

export function startWorkers(world: World, journal: Journal, random: () => number): Workers {
  const stopping = new AbortController();
  const { signal } = stopping;
  const anyClient = (): Client =>
    world.clients[Math.floor(random() * world.clients.length)] as Client;
  const working = { world, journal, random, signal, anyClient };
  const repeat = async (name: string, work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        journal.failures.push(`${name}: ${(error as Error).stack ?? String(error)}`);
      }
      await pause(PAUSE_MS);
    }
  };
  const all = [
    ...world.projects.flatMap((project) => [
      repeat("commit", () => commit(working, project)),
      repeat("merge", () => merge(working, project)),
      repeat("push", () => push(working, project)),
      repeat("run", () => run(working, project, project.running)),
      repeat("remote run", () => run(working, project, project.remote)),
    ]),
    repeat("key", () => revokeKey(working)),
    repeat("key", () => revokeKey(working)),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(all);
    },
  };
}

const nextName = (kind: string): string => `${kind}-${randomBytes(6).toString("hex")}`;

/** Writes a file into a workspace on its machine, like an agent. Returns false while the folder is away. */
async function writeOnMachine(
  { home }: WorldProject,
  { folder }: WorldWorkspace,
  path: string,
): Promise<boolean> {
  try {
    const pid = home.firstPid();
    const mounts = await readFile(`/proc/${pid}/mountinfo`, "utf8");
    // Below a folder that is not mounted, the file would be lost.
    if (!mounts.includes(` ${folder} `)) return false;
    const file = join(`/proc/${pid}/root`, folder as string, path);
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, `${path}\n`);
    return true;
  } catch {
    return false;
  }
}

async function commit({ journal, anyClient }: Working, project: WorldProject): Promise<void> {
  const { committing } = project;
  const path = nextName("commit");
  if (!(await writeOnMachine(project, committing, path))) return;
  const outcome = await attempt(journal, "commit", () =>
    anyClient().workspaces.createCommit({
      params: { agent_id: committing.agentId },
      body: { commit_type: "manual", message: path },
    }),
  );
  journal.commits.push({
    projectId: project.id,
    branch: committing.branch,
    path,
    isAcknowledged: outcome.kind === "done",
    sha: outcome.kind === "done" ? outcome.result.data.commit_sha : null,
  });
}

async function merge({ journal, anyClient }: Working, project: WorldProject): Promise<void> {
  const { merging } = project;
  const path = nextName("merge");
  if (!(await writeOnMachine(project, merging, path))) return;
  const outcome = await attempt(journal, "merge", () =>
    anyClient().workspaces.createMerge({ params: { agent_id: merging.agentId }, body: {} }),
  );
  journal.merges.push({
    projectId: project.id,
    branch: "main",
    path,
    isAcknowledged: outcome.kind === "done",
    // Null if an earlier request, whose answer was lost, has merged the file.
    sha: outcome.kind === "done" ? outcome.result.data.merge_commit_sha : null,
  });
}

/** Pushes a commit to a branch of its own. */
async function push({ world, journal, random }: Working, project: WorldProject): Promise<void> {
  const { folder } = world.installation;
  const cwd = join(folder, `clone-${project.home.name}`);
  const options = {
    cwd,
    env: {
      GIT_AUTHOR_NAME: "Ann",
      GIT_AUTHOR_EMAIL: "ann@example.com",
      GIT_COMMITTER_NAME: "Ann",
      GIT_COMMITTER_EMAIL: "ann@example.com",
      // A transfer that stands still for five seconds has failed.
      GIT_HTTP_LOW_SPEED_LIMIT: "1",
      GIT_HTTP_LOW_SPEED_TIME: "20",
    },
  };
  await mkdir(cwd, { recursive: true });
  await git(["init", "--quiet", "--initial-branch=pushed"], options);
  const path = nextName("push");
  await writeFile(join(cwd, path), `${path}\n`);
  await git(["add", path], options);
  await git(["commit", "--quiet", "--message", path], options);
  const sha = await git(["rev-parse", "HEAD"], options);
  const server = world.servers[Math.floor(random() * world.servers.length)];
  const url = withKey(`${server?.url}${project.cloneUrl}`, world.key);
  const { code, stderr } = await runGit(
    ["push", "--quiet", url, "HEAD:refs/heads/pushed"],
    options,
  );
  const status = /returned error: (\d{3})/.exec(stderr)?.[1];
  const outcome = code === 0 ? "done" : (status ?? "no answer");
  if (status === "500") journal.failures.push(`push: ${stderr}`);
  journal.outcomes.set(`push: ${outcome}`, (journal.outcomes.get(`push: ${outcome}`) ?? 0) + 1);
  if (/non-fast-forward|fetch first|stale info/.test(stderr)) {
    journal.failures.push(`push: a branch of one clone has moved: ${stderr}`);
  }
  journal.pushes.push({
    projectId: project.id,
    branch: "pushed",
    path,
    isAcknowledged: code === 0,
    sha: code === 0 ? sha : null,
  });
}

/** Starts a run, waits for its end, and stops some of them. */
async function run(
  { journal, random, signal, anyClient }: Working,
  project: WorldProject,
  { agentId, branch }: WorldWorkspace,
): Promise<void> {
  const marker = nextName("run");
  const seconds = (random() * 3).toFixed(2);
  const command = shell(`sleep ${seconds}; echo ${marker} > ${marker}`);
  const started = await attempt(journal, "run", () =>
    anyClient().runs.create({
      params: { agent_id: agentId },
      body: { command, queue: true, network: "none" },
    }),
  );
  if (started.kind === "unknown") journal.unknownRuns.push(marker);
  if (started.kind !== "done") return;
  const { id } = started.result.data;
  const noted = {
    id,
    agentId,
    marker,
    branch,
    projectId: project.id,
    isRemote: agentId === project.remote.agentId,
    isStopped: false,
  };
  journal.runs.push(noted);
  const params = { run_id: id };
  if (random() < 0.1) {
    noted.isStopped = true;
    await pause(random() * 2000);
    await attempt(journal, "stop", () => anyClient().runs.stop({ params, body: {} }));
  }
  for (;;) {
    const answer = await insist(journal, "get run", () => anyClient().runs.get({ params }), signal);
    if (answer === null || answer.data.ended_at !== null) return;
    await pause(300);
  }
}

/** Makes a key at one server, uses it at another one, and revokes it: it opens no server from then on. */
async function revokeKey({ world, journal, anyClient, signal }: Working): Promise<void> {
  const created = await attempt(journal, "create key", () =>
    anyClient().apiKeys.create({ body: { name: nextName("key") } }),
  );
  if (created.kind !== "done") return;
  const { id, key } = created.result.data;
  // In the cache of each server.
  const holders = world.servers.map(({ url }) => machineClient(url, key as string, 5000));
  await Promise.allSettled(holders.map((holder) => holder.auth.me()));
  for (;;) {
    if (signal.aborted) return;
    const revoked = await attempt(journal, "revoke key", () =>
      anyClient().apiKeys.revoke({ params: { key_id: id } }),
    );
    if (revoked.kind === "done") break;
    await pause(200);
  }
  journal.revokedKeys.push({ key: key as string, at: Date.now() });
  await expectRefused(world, journal, key as string);
}

/** Notes a failure for each server that accepts a key. */
export async function expectRefused(
  { servers }: Pick<World, "servers">,
  journal: Journal,
  key: string,
): Promise<void> {
  await Promise.all(
    servers.map(async ({ url, name }) => {
      const holder = machineClient(url, key, 5000);
      const isOpen = await holder.auth.me().then(
        () => true,
        () => false,
      );
      if (isOpen) journal.failures.push(`${name} accepts a revoked key`);
    }),
  );
}
