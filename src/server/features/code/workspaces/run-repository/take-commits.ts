/** Takes the commits that an agent made in the repository of its run into the workspace's branch. */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { systemOrigin } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { AppError } from "../../../../errors.js";
import { commitsOnLine, type LineCommit } from "#git/diff/diff.js";
import { scanReachable } from "#git/objects/scan-objects.js";
import {
  commitsAmong,
  inspectPush,
  inspectTrees,
  newCommits,
} from "#git/smart-http/inspect-push.js";
import { PackRefusedError, Quarantine } from "#git/smart-http/quarantine.js";
import { TokenScan } from "#git/objects/token-scan.js";
import { listBranches } from "#git/store/branches.js";
import { isOid } from "#git/objects/oid.js";
import { listRefs, MAX_REFS, updateRef, updateRefs } from "#git/store/refs.js";
import { isAncestor, resolveCommit } from "#git/store/repository.js";
import { SafeFolder } from "#git/files/safe-folder.js";
import { activeUnderLock } from "../commits/commit-workspace.js";
import { receiveCommits } from "../commits/received-commits.queries.js";
import * as pushes from "../pushes/pushes.queries.js";
import { branchRef, placesOf, type ActiveWorkspace, type WorkspaceDeps } from "../workspace.js";
import * as queries from "../workspaces.queries.js";
import { exportBranches, readSharedCommits } from "./export-branches.js";
import { reparentCommits } from "./reparent-commits.js";
import type { FolderScript, RunScript } from "#execution/scripts/run-script.js";
import { TAKE } from "#execution/scripts/repository-scripts.js";

/** The repository of a run, from which commits are taken. */
export interface CommitSource {
  /** Its newest commit that the workspace's branch has, as it is or with another parent. */
  tip: string;
  /**
   * Whether the run has ended. Before, only commits on top of `tip` on the workspace's branch are taken, since the
   * others may be in the middle of a rebase, and a failure is not recorded: the next checkpoint tries again.
   */
  hasEnded: boolean;
  /** Its folder; null if it is on another machine. */
  place: Pick<FolderScript, "folder" | "uid"> | null;
  runScript: RunScript;
  maxBytes: number;
  /** Aborted when the server stops. */
  signal: AbortSignal;
  /** Records what will be taken, in a transaction before the branch moves. */
  begin(tx: Queryable, taking: Taking): Promise<void>;
  /** Records the outcome in the transaction that records the commits. */
  record(tx: Queryable, taken: TakenCommits): Promise<void>;
  /** Called with the reason, as a sentence, when the commits are not taken. */
  refused?(reason: string): void;
}

/** Commits of a run's repository that are about to reach the workspace's branch. */
export interface Taking {
  /** The newest one, as it is in the run's repository. */
  tip: string;
  /** The commit that the branch moves to. */
  to: string;
  commits: number;
}

export interface TakenCommits {
  /** As `CommitSource.tip`, afterwards; null if it did not change. */
  tip: string | null;
  /** The number of commits on the workspace's branch. */
  commits: number;
  /** Branches that keep diverged commits. */
  diverged: string[];
  /** Why commits were not taken; null if all were. */
  error: string | null;
}

/** Maximum commits at once, as in a push. */
const MAX_LINE = 1000;
/** Maximum new commits at once, including those of merged branches; each may have to be written again. */
const MAX_COMMITS = 10_000;
/** Maximum milliseconds for everything. */
export const TAKE_MS = 10 * 60_000;
/** The same while the run goes on: its next operations wait for the workspace. */
const TAKE_DURING_RUN_MS = 20_000;
/** Branches that keep the diverged commits of a workspace; the oldest makes room for a new one. */
const MAX_DIVERGED = 20;

/**
 * Takes the new commits of a run's repository, for the holder of the workspace's lock: those on top of
 * `tip` become the branch's newest commits, others are kept in a branch of their own. They are checked
 * like a push. Returns whether the branch has moved.
 */
export async function takeCommits(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  source: CommitSource,
): Promise<boolean> {
  const { org_id, branch_name } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const ref = branchRef(branch_name);
  if (await isUntouched(source, ref)) return false;
  const quarantine = await Quarantine.open(repoPath);
  const timeLimit = AbortSignal.timeout(source.hasEnded ? TAKE_MS : TAKE_DURING_RUN_MS);
  const signal = AbortSignal.any([source.signal, timeLimit]);
  try {
    const received = await receiveTips(deps, workspace, { ...source, signal }, quarantine);
    if (received.tips.length === 0) return false;
    return await applyTips(deps, workspace, { ...source, signal }, quarantine, received);
  } catch (cause) {
    const isLate = timeLimit.aborted && !source.signal.aborted;
    const error = isLate ? tookTooLong() : cause;
    if (!(error instanceof PackRefusedError) && !(error instanceof AppError)) throw error;
    const refused = {
      tip: null,
      commits: 0,
      diverged: [],
      error: refusalOf("Its commits were not taken", error),
    };
    source.refused?.(refused.error);
    if (source.hasEnded) await deps.db.tenant(org_id, (tx) => source.record(tx, refused));
    return false;
  } finally {
    await quarantine.discard();
  }
}

/**
 * Whether HEAD and the branch are where they were, which saves a sandbox. Reads two small files and
 * follows no link; anything unusual is left to git.
 */
async function isUntouched({ place, tip, hasEnded }: CommitSource, ref: string): Promise<boolean> {
  if (place === null) return false;
  const folder = await SafeFolder.open(place.folder).catch(() => null);
  if (folder === null) return false;
  try {
    const read = async (name: string): Promise<string | undefined> =>
      (await folder.readSmall(`.git/${name}`))?.bytes.toString("latin1");
    if (hasEnded && (await read("HEAD")) !== `ref: ${ref}\n`) return false;
    return (await read(ref)) === `${tip}\n`;
  } catch {
    return false;
  } finally {
    await folder.close();
  }
}

interface ReceivedTips {
  /** The new commit of HEAD first, then that of the workspace's branch. */
  tips: string[];
  /** The commits of the base and the default branch. */
  shared: readonly string[];
}

/**
 * Reads and checks what the repository has beyond the known commits.
 * @throws PackRefusedError
 */
async function receiveTips(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  { tip, hasEnded, place, runScript, maxBytes, signal }: CommitSource,
  quarantine: Quarantine,
): Promise<ReceivedTips> {
  const { branch_name, head_commit } = workspace;
  const {
    readOnly,
    baseCommit,
    sharedCommits: shared,
  } = place === null
    ? { readOnly: [], ...(await readSharedCommits(deps, workspace)) }
    : await exportBranches(deps, workspace);
  const known = [...new Set([tip, head_commit, ...(baseCommit ? [baseCommit] : [])])];
  const output = new PassThrough({ highWaterMark: 1 << 20 });
  const left = new AbortController();
  /** Ends the script when its output is no longer read. */
  const ending = AbortSignal.any([signal, left.signal]);
  let bytes = 0;
  const running = runScript({
    ...(place ?? { folder: "", uid: null }),
    script: TAKE,
    args: [branchRef(branch_name), hasEnded ? "HEAD" : "-", ...known],
    readOnly,
    signal: ending,
    onOutput: async (chunk) => {
      ending.throwIfAborted();
      bytes += chunk.length;
      // The first line has less than 100 bytes.
      if (bytes > maxBytes + 100) throw tooLarge(maxBytes);
      if (!output.write(chunk)) {
        await once(output, "drain", { signal: ending });
      }
    },
  }).finally(() => output.end());
  running.catch(() => undefined);
  try {
    const chunks = output[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const { tips, rest } = await readTips(chunks);
    const pack = packOf(rest, chunks);
    const first = await pack.next();
    let isEmpty = true;
    if (!first.done) {
      isEmpty = false;
      const whole = async function* (): AsyncGenerator<Buffer> {
        yield first.value;
        yield* pack;
      };
      await quarantine
        .receive(whole(), { isAlone: true, maxBytes, signal })
        .catch((error: unknown) => {
          // A script that was ended leaves half a pack.
          throw bytes > maxBytes ? tooLarge(maxBytes) : error;
        });
    }
    const failure = await running;
    if (failure !== null) throw new PackRefusedError(failure);
    const wanted = tips.filter((oid) => !known.includes(oid));
    if (wanted.length === 0 || isEmpty) return { tips: [], shared };
    await inspect(deps, workspace, quarantine, { tips: wanted, known, signal });
    return { tips: wanted, shared };
  } finally {
    left.abort();
    output.destroy();
    await running.catch(() => undefined);
  }
}

/** Reads the first line: `omoi BRANCH HEAD`. Returns the commits, HEAD first, and the bytes after it. */
async function readTips(chunks: AsyncIterator<Buffer>): Promise<{ tips: string[]; rest: Buffer }> {
  let read = Buffer.alloc(0);
  for (;;) {
    const end = read.indexOf("\n");
    if (end >= 0) {
      const line = read.toString("latin1", 0, end);
      const [word, own = "", head = ""] = line.split(" ");
      if (word !== "omoi") throw unreadable();
      return { tips: [...new Set([head, own])].filter(isOid), rest: read.subarray(end + 1) };
    }
    if (read.length > 200) throw unreadable();
    const { value, done } = await chunks.next();
    if (done) throw unreadable();
    read = Buffer.concat([read, value]);
  }
}

const tooLarge = (maxBytes: number): PackRefusedError =>
  new PackRefusedError(
    `they are larger than ${Math.floor(maxBytes / 1024 / 1024)} MiB; make fewer in a run, or raise OMOI_MAX_PUSH_MIB on the server`,
  );

const tookTooLong = (): PackRefusedError =>
  new PackRefusedError(`their check took longer than ${TAKE_MS / 60_000} minutes`);

const unreadable = (): PackRefusedError =>
  new PackRefusedError("git could not read the repository of the run");

async function* packOf(rest: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (rest.length > 0) yield rest;
  for (;;) {
    const { value, done } = await chunks.next();
    if (done) return;
    yield value;
  }
}

/** The checks of a push by the agent. @throws PackRefusedError */
export async function inspect(
  deps: WorkspaceDeps,
  { branch_name }: ActiveWorkspace,
  quarantine: Quarantine,
  { tips, known, signal }: { tips: string[]; known: string[]; signal: AbortSignal },
): Promise<void> {
  // The pack must contain what the agent cannot read: naming an id grants no access. The newest known
  // commit may be one that the agent made.
  const readable: string[] = [];
  for (const oid of known) {
    if (await resolveCommit(quarantine.path, oid)) readable.push(oid);
  }
  await inspectPush(quarantine, { tips, known: readable, isNarrow: true, signal });
  const { commits } = await commitsAmong(quarantine.path, tips);
  if (tips.some((tip) => !commits.has(tip))) throw unreadable();
  const scan = new TokenScan(deps.leaks.keyPrefix);
  await scanReachable(quarantine.path, tips, readable, scan, signal);
  if (scan.isClean) return;
  const leak = await deps.leaks.findActive(scan.found, {
    origin: systemOrigin,
    branch: branch_name,
  });
  if (!leak) return;
  throw new PackRefusedError(
    `${JSON.stringify(leak.path)}, line ${leak.line}, contains an active API key; revoke the key, or remove it from the commits`,
  );
}

/** Moves the branch to the newest commit on top of `tip`, and keeps the others. */
async function applyTips(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  source: CommitSource,
  quarantine: Quarantine,
  { tips, shared }: ReceivedTips,
): Promise<boolean> {
  const { org_id, project_id, agent_id, agent_name, branch_name, head_commit: head } = workspace;
  const { signal } = source;
  const { repoPath } = placesOf(deps, workspace);
  const added = await newCommits(quarantine, tips, [source.tip, head, ...shared]);
  if (added.length > MAX_COMMITS) {
    throw new PackRefusedError(
      `a run can add at most ${MAX_COMMITS} commits with those of merged branches`,
    );
  }
  const onTop: string[] = [];
  for (const oid of tips) {
    // A commit that the head reaches adds nothing to it.
    if (source.tip !== head && (await isAncestor(quarantine.path, oid, head))) continue;
    if (await isAncestor(quarantine.path, source.tip, oid)) onTop.push(oid);
  }
  const [newest = null] = onTop;
  if (newest === null && !source.hasEnded) return false;
  const apart: string[] = [];
  for (const oid of source.hasEnded ? tips : []) {
    const reached = newest === null ? [] : [newest];
    const before = [...reached, source.tip, head];
    if (oid !== newest && (await newCommits(quarantine, [oid], before)).length > 0) {
      apart.push(oid);
    }
  }
  const to =
    newest === null || source.tip === head
      ? newest
      : await reparentCommits(quarantine.path, {
          from: source.tip,
          to: newest,
          onto: head,
          shared,
          author: { name: agent_name, email: `${agent_id}@agents.omoi` },
        });
  const line = to === null ? [] : await lineTo(quarantine, head, to);
  const refs = await listRefs(repoPath, "refs/");
  const counted = refs.filter(({ ref }) => /^refs\/(?:heads|tags)\//.test(ref)).length;
  if (apart.length > 0 && counted + apart.length > MAX_REFS) {
    throw new PackRefusedError("the repository has too many branches to keep another one");
  }
  const all = [...new Set(refs.map(({ sha }) => sha))];
  const received = await newCommits(quarantine, [...(to ? [to] : []), ...apart], all);
  await inspectTrees(quarantine, received);
  signal.throwIfAborted();

  await deps.db.write(org_id, async (tx) => {
    await pushes.insertPushedCommits(tx, { org_id, agent_id }, line);
    if (newest !== null && to !== null) {
      await source.begin(tx, { tip: newest, to, commits: line.length });
    }
    await receiveCommits(tx, { org_id, project_id }, received);
  });
  let diverged: string[];
  try {
    await quarantine.migrate();
    diverged = await keepDiverged(deps, workspace, apart);
    if (to !== null) {
      await updateRefs(repoPath, [{ ref: branchRef(branch_name), newSha: to, expectedOld: head }]);
    }
  } catch (error) {
    // The branch may have moved: what it contains is recorded, the rest is forgotten.
    await activeUnderLock(deps, org_id, agent_id);
    throw error;
  }
  const taken = { tip: newest, commits: line.length, diverged, error: null };
  await deps.db.tenant(org_id, async (tx) => {
    if (to !== null) await pushes.recordPushedCommits(tx, agent_id, to);
    await source.record(tx, taken);
  });
  return to !== null;
}

/** @throws PackRefusedError for too many commits */
async function lineTo(quarantine: Quarantine, head: string, to: string): Promise<LineCommit[]> {
  const line = await commitsOnLine(quarantine.path, head, to, MAX_LINE + 1);
  if (line.length <= MAX_LINE) return line;
  throw new PackRefusedError(
    `a run can add at most ${MAX_LINE} commits to a workspace; squash them`,
  );
}

/**
 * Keeps commits in branches named after the workspace's and themselves. The oldest make room, unless
 * they were moved since or a workspace uses them. Returns the names.
 */
async function keepDiverged(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  commits: readonly string[],
): Promise<string[]> {
  const { org_id, project_id, branch_name: branch } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const used =
    commits.length === 0
      ? new Set<string>()
      : await deps.db.tenant(org_id, (tx) => queries.listUsedBranches(tx, project_id));
  const names: string[] = [];
  for (const commit of commits) {
    const prefix = `${branch}-diverged-`;
    const name = `${prefix}${commit.slice(0, 12)}`;
    names.push(name);
    if ((await resolveCommit(repoPath, branchRef(name))) === commit) continue;
    const kept = (await listBranches(repoPath))
      .filter((branch) => branch.name.startsWith(prefix))
      .filter((branch) => branch.name.slice(prefix.length) === branch.sha.slice(0, 12))
      .filter((branch) => !used.has(branch.name))
      .toSorted((a, b) => Number(a.date) - Number(b.date));
    for (const { name: oldest, sha } of kept.slice(
      0,
      Math.max(0, kept.length + 1 - MAX_DIVERGED),
    )) {
      await updateRefs(repoPath, [{ ref: branchRef(oldest), newSha: null, expectedOld: sha }]);
    }
    await updateRef(repoPath, branchRef(name), commit, null);
  }
  return names;
}

/** Returns a sentence for the run; the advice for a push does not apply. */
export function refusalOf(outcome: string, { message }: Error): string {
  return `${outcome}: ${message.replace(/; (?:push|fetch) .*$/s, "").replace(/\.$/, "")}.`;
}
