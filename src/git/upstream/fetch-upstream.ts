/** Imports an upstream repository: its branches and tags, nothing else. */
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { branchNameProblem } from "#shared/code/protection.js";
import { initBare } from "../store/bare-repository.js";
import {
  temporaryName,
  createDirectoryAtomically,
  exists,
  flushToDisk,
  removeLeftovers,
  removeTree,
} from "../files/atomic-directory.js";
import { listRefs, MAX_REFS, updateRefs } from "../store/refs.js";
import { git } from "../process/run.js";
import { assertTreesWithin, TreeLimitError } from "../objects/tree-limits.js";
import {
  progressReader,
  withUpstream,
  type UpstreamGit,
  type UpstreamOptions,
} from "./upstream-connection.js";
import { treeTooLarge, upstreamError, withUpstreamErrors } from "./upstream-error.js";

/** The commit of HEAD and the short name of its branch. */
export interface ImportResult {
  head: string;
  defaultBranch: string;
}

/** Excludes branches named like workspaces, which would collide with those of this repository. */
const NOT_OF_AGENTS = "^refs/heads/workspace-*";
/** The namespace for the upstream's references, beside the repository's own. */
const UPSTREAM = "refs/upstream/";

/**
 * Clones branches and tags of `url` into a new repository at `repoPath`, atomically; an existing
 * one stays as it is. The upstream's branches are also recorded under `refs/upstream/heads/`.
 * Branches named `workspace-*` are left out, and so are those that could be taken for the default branch. fsck checks all objects; submodules are not followed.
 * The default branch is the upstream's HEAD, otherwise main, master or the first by name.
 * @throws UpstreamError
 */
export async function cloneUpstream(
  repoPath: string,
  url: string,
  options: UpstreamOptions,
): Promise<ImportResult> {
  return withUpstreamErrors(async () => {
    if (await exists(repoPath)) return readHead(repoPath);
    return createDirectoryAtomically(repoPath, async (folder) => {
      await initBare(folder, "main");
      return withUpstream(folder, url, "git-upload-pack", options, async (remote) => {
        const defaultBranch = await readDefaultBranch(remote);
        await writeFile(join(folder, "HEAD"), `ref: refs/heads/${defaultBranch}\n`);
        const refspecs = [
          "heads/*:refs/heads/*",
          `heads/*:${UPSTREAM}heads/*`,
          "tags/*:refs/tags/*",
        ];
        await fetchRefs(remote, refspecs, options);
        await removeConfusable(folder, defaultBranch);
        await inspectRefs(folder, "refs/");
        await flushToDisk(folder);
        return readHead(folder);
      });
    });
  });
}

/**
 * Fetches branches and tags of `url` into an existing repository, mirroring them under
 * `refs/upstream/heads/` and `refs/upstream/tags/`. The repository's own branches do not move.
 * Objects arrive in a separate folder and are moved into the repository once they are complete and
 * checked. One call at a time per repository. Returns the branches that the upstream has deleted.
 * @throws UpstreamError
 */
export async function fetchUpstream(
  repoPath: string,
  url: string,
  options: UpstreamOptions,
): Promise<{ gone: string[] }> {
  return withUpstreamErrors(async () => {
    await removeLeftovers(repoPath, "fetching");
    const folder = temporaryName(repoPath, "fetching");
    const before = await listRefs(repoPath, UPSTREAM);
    try {
      await initBare(folder, "main");
      await borrowFrom(repoPath, folder);
      await withUpstream(folder, url, "git-upload-pack", options, async (remote) => {
        await readDefaultBranch(remote);
        const refspecs = [`heads/*:${UPSTREAM}heads/*`, `tags/*:${UPSTREAM}tags/*`];
        await fetchRefs(remote, refspecs, options);
      });
      await inspectRefs(folder, UPSTREAM);
      await takeOver(repoPath, folder);
      return await noteUpstream(repoPath, before, await listRefs(folder, UPSTREAM));
    } finally {
      await removeTree(folder);
    }
  });
}

async function removeConfusable(repoPath: string, defaultBranch: string): Promise<void> {
  const heads = "refs/heads/";
  const removals = (await listRefs(repoPath, heads))
    .filter(({ ref }) => branchNameProblem(ref.slice(heads.length), [{ pattern: defaultBranch }]))
    .map(({ ref, sha }) => ({ ref, newSha: null, expectedOld: sha }));
  if (removals.length > 0) await updateRefs(repoPath, removals);
}

async function fetchRefs(
  remote: UpstreamGit,
  refspecs: readonly string[],
  { onProgress }: UpstreamOptions,
): Promise<void> {
  const args = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"];
  const flags = ["--no-recurse-submodules", "--atomic", "--end-of-options", "upstream"];
  await remote([...args, ...flags, ...refspecs.map((spec) => `+refs/${spec}`), NOT_OF_AGENTS], {
    onStderr: progressReader(onProgress),
  });
  onProgress?.(100);
}

/**
 * Checks that no branch or tag is too large to check out. Older commits are not checked: git's own
 * limits apply when they are read.
 * @throws UpstreamError `tree_too_large`
 */
async function inspectRefs(repoPath: string, prefix: string): Promise<void> {
  const tips = new Set((await listRefs(repoPath, prefix)).map(({ sha }) => sha));
  try {
    await assertTreesWithin(repoPath, [...tips]);
  } catch (error) {
    throw error instanceof TreeLimitError ? treeTooLarge(error) : error;
  }
}

async function readDefaultBranch(remote: UpstreamGit): Promise<string> {
  const patterns = ["HEAD", "refs/heads/*", "refs/tags/*"];
  const args = ["ls-remote", "--symref", "--end-of-options", "upstream", ...patterns];
  const lines = (await remote(args)).stdout.toString("utf8").split("\n");
  if (lines.length > MAX_REFS) throw upstreamError("too_large");
  const branches = new Set<string>();
  let head: string | undefined;
  for (const line of lines) {
    const branch = /^[0-9a-f]{40}\trefs\/heads\/(.+)$/.exec(line)?.[1];
    const isOwn = branch?.startsWith("workspace-") === true;
    if (branch !== undefined && !isOwn && branchNameProblem(branch) === null) branches.add(branch);
    head ??= /^ref: refs\/heads\/(.+)\tHEAD$/.exec(line)?.[1];
  }
  const candidates = [head, "main", "master", [...branches].sort()[0]];
  const found = candidates.find((name) => name !== undefined && branches.has(name));
  if (found === undefined) throw upstreamError("empty");
  return found;
}

async function readHead(repoPath: string): Promise<ImportResult> {
  const symbolic = await git(["symbolic-ref", "HEAD"], { gitDir: repoPath });
  const ref = symbolic.stdout.toString("utf8").trim();
  const commit = await git(["rev-parse", "--verify", "HEAD^{commit}"], { gitDir: repoPath });
  return {
    head: commit.stdout.toString("latin1").trim(),
    defaultBranch: ref.replace(/^refs\/heads\//, ""),
  };
}

type Ref = { ref: string; sha: string };

/**
 * Lets an empty repository borrow the objects, and offer them to the upstream in the negotiation.
 */
async function borrowFrom(repoPath: string, folder: string): Promise<void> {
  await mkdir(join(folder, "objects/info"), { recursive: true });
  await writeFile(join(folder, "objects/info/alternates"), `${join(repoPath, "objects")}\n`);
  const refs = [
    ...(await listRefs(repoPath, "refs/heads/")),
    ...(await listRefs(repoPath, UPSTREAM)),
  ];
  const lines = refs.map(({ sha }, index) => `${sha} refs/here/${index}\n`);
  await writeFile(join(folder, "packed-refs"), lines.join(""));
}

/** Whether a name is valid UTF-8; any other would change on the way. */
const isText = (ref: string): boolean => !ref.includes("\ufffd");

/** Moves packs into the repository, the index last: it makes a pack visible to git. */
async function takeOver(repoPath: string, folder: string): Promise<void> {
  const from = join(folder, "objects/pack");
  const order = [".pack", ".rev", ".idx"];
  const names = (await readdir(from)).filter((name) => /^pack-[0-9a-f]{40}\./.test(name));
  for (const suffix of order) {
    for (const name of names.filter((candidate) => candidate.endsWith(suffix))) {
      await rename(join(from, name), join(repoPath, "objects/pack", name));
    }
  }
}

async function noteUpstream(
  repoPath: string,
  before: readonly Ref[],
  after: readonly Ref[],
): Promise<{ gone: string[] }> {
  const old = new Map(before.map(({ ref, sha }) => [ref, sha]));
  const now = new Map(after.map(({ ref, sha }) => [ref, sha]));
  const gone = before.filter(({ ref }) => !now.has(ref));
  // Deletions first: a new branch may need the place of a deleted folder of branches.
  if (gone.length > 0) {
    const removals = gone.map(({ ref, sha }) => ({ ref, newSha: null, expectedOld: sha }));
    await updateRefs(repoPath, removals);
  }
  const moved = after.filter(({ ref, sha }) => old.get(ref) !== sha && isText(ref));
  if (moved.length > 0) {
    await updateRefs(
      repoPath,
      moved.map(({ ref, sha }) => ({ ref, newSha: sha, expectedOld: old.get(ref) ?? null })),
    );
  }
  const heads = `${UPSTREAM}heads/`;
  return {
    gone: gone.filter(({ ref }) => ref.startsWith(heads)).map(({ ref }) => ref.slice(heads.length)),
  };
}
