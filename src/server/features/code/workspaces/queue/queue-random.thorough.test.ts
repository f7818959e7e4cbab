import { access, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { unavailable } from "#sandbox/open-sandbox.js";
import type { Sandbox, SandboxInput } from "#sandbox/sandbox.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { updateRef } from "#git/store/refs.js";
import { commitTree, resolveTree } from "#git/store/repository.js";

/**
 * Random sequences over 12 agents: commits of good and bad files, queued and canceled merges, and
 * direct moves of the branch, served by two processes. The sandbox is a stand-in that only looks into
 * the checked folder, so that thousands of checks take minutes; the real one is tested in
 * `merge-queue.thorough.test.ts`.
 */
const sequences = 50;
const agentCount = 12;
const seed = 20_261_127;

let app: TestApp;
let sibling: TestApp;
let owner: TestPerson;
let project: Project;
const workspaces: Workspace[] = [];
/** Commits whose check has passed. */
const passed = new Set<string>();
/** Commits to which the branch was moved directly. */
const moved = new Set<string>();

beforeAll(async () => {
  app = await startTestApp({}, standIn());
  sibling = await app.sibling();
  owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  // An access token would expire before the last sequence.
  const { data: key } = await owner.api.apiKeys.create({ body: { name: "random" } });
  const token = key.key as string;
  owner = { ...owner, token, api: app.client(token) };
  project = await makeProjectWith(owner, org.id, { "a.txt": "a\n" });
  for (let nth = 1; nth <= agentCount; nth += 1) {
    workspaces.push((await makeWorkspace(owner, project.id)).workspace);
  }
  const params = { project_id: project.id };
  await owner.api.mergeQueue.setCheck({
    params: { ...params, name: "test" },
    body: { command: ["test"] },
  });
  const protected_branches = [{ pattern: "main", checks: ["test"] }];
  await owner.api.projects.update({ params, body: { protected_branches } });
  moved.add(await tip());
  // The file, not `core.logAllRefUpdates`: a git process that already runs would not read that again.
  const logs = join(repoPathOf(app, project), "logs", "refs", "heads");
  await mkdir(logs, { recursive: true });
  await writeFile(join(logs, "main"), "");
});
afterAll(async () => {
  await sibling.close();
  await app.close();
});

/** Passes if the folder contains no folder `bad`. */
function standIn(): Sandbox {
  const none = unavailable("A stand-in");
  const enforced = { enforced: true, by: "the stand-in" };
  return {
    ...none,
    report: {
      ...none.report,
      mode: "bubblewrap",
      uid: process.getuid?.() ?? null,
      network: true,
      limits: {
        memory: enforced,
        processes: enforced,
        cpu: enforced,
        output: enforced,
        disk: enforced,
      },
    },
    start: async ({ folder, env }: SandboxInput) => {
      const look = async () => {
        await pause(Math.random() * 20);
        const isBad = await access(join(folder, "bad")).then(
          () => true,
          () => false,
        );
        if (!isBad) passed.add(env["OMOI_COMMIT"] as string);
        return {
          exitCode: isBad ? 1 : 0,
          signal: null,
          reason: "exited" as const,
          detail: null,
          cpuSeconds: null,
          peakMemoryBytes: null,
          throttled: null,
        };
      };
      const done = look();
      return {
        pid: process.pid,
        workspace: folder,
        input: null,
        stop: () => {},
        readings: () => null,
        ended: done,
        done,
      };
    },
  };
}

const tip = () => gitInRepository(app, project, "rev-parse", "refs/heads/main");

/** Mulberry32: reproducible random numbers from 0 to 1. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test(
  `after ${sequences} random sequences the branch held only checked commits`,
  async () => {
    const random = randomFrom(seed);
    for (let sequence = 1; sequence <= sequences; sequence += 1) await play(sequence, random);
    const log = await gitInRepository(app, project, "log", "-g", "--format=%H", "main");
    const held = log.split("\n");
    expect(held.filter((commit) => !passed.has(commit) && !moved.has(commit))).toEqual([]);
    expect(held.length).toBeGreaterThan(sequences / 2);
  },
  sequences * 15_000,
);

/** One agent's part of a sequence. */
interface Part {
  workspace: Workspace;
  isGood: boolean;
  request: MergeRequest;
  isCancelled: boolean;
}

async function play(sequence: number, random: () => number): Promise<void> {
  const chosen = workspaces.filter(() => random() < 0.25);
  const parts: Part[] = [];
  for (const [nth, workspace] of chosen.entries()) {
    const isGood = random() < 0.7;
    const path = isGood ? "good" : "bad";
    await commitFiles(owner, workspace, { [`${path}/${sequence}-${nth}.txt`]: `${sequence}\n` });
    const { agent_id } = workspace;
    const api = random() < 0.5 ? owner.api : sibling.client(owner.token);
    const { data: request } = await api.workspaces.createMerge({
      params: { agent_id },
      body: { queue: true },
    });
    parts.push({ workspace, isGood, request, isCancelled: false });
    if (random() < 0.15) await moveBranch();
    if (random() < 0.1) await cancel(parts[Math.floor(random() * parts.length)] as Part);
  }
  for (const part of parts) {
    const { status, reason } = await waitForRequest(owner, part.request.id);
    const expected = part.isGood ? "merged" : "rejected";
    expect([sequence, part.isCancelled ? "cancelled" : expected, reason]).toEqual([
      sequence,
      status,
      reason,
    ]);
    if (!part.isGood) {
      await rm(join(folderOf(part.workspace), "bad"), { recursive: true });
      await commitFiles(owner, part.workspace, {});
    }
  }
}

/** Cancels a request that has not ended. */
async function cancel(part: Part): Promise<void> {
  const params = { merge_request_id: part.request.id };
  part.isCancelled = await owner.api.mergeQueue.cancel({ params }).then(
    () => true,
    () => part.isCancelled,
  );
}

/** Moves the branch by a new commit, as a fetch from an upstream does. */
async function moveBranch(): Promise<void> {
  const repoPath = repoPathOf(app, project);
  for (;;) {
    const parent = await tip();
    const commit = await commitTree(repoPath, {
      tree: await resolveTree(repoPath, parent),
      parents: [parent],
      message: "Move",
      author: { name: "Upstream", email: "up@example.com" },
      date: new Date(),
    });
    moved.add(commit);
    const isMoved = await updateRef(repoPath, "refs/heads/main", commit, parent).then(
      () => true,
      () => false,
    );
    if (isMoved) return;
  }
}
