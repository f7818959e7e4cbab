/** Bringing an upstream repository in: a fresh store with its branches and tags, nothing else. */
import { lstat, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { initBare } from "./bare-repository.js";
import { buildAside, exists } from "./build-aside.js";
import { importError, withImportErrors } from "./import-error.js";
import { git, type GitOptions, type Protocol } from "./run.js";

/** How an upstream is read. */
export interface ImportOptions {
  /** What the URL may be. Which hosts and folders are allowed is the caller's decision. */
  protocols: readonly Protocol[];
  /** Whole percent of the work, 0–100, only ever rising; 100 comes last. */
  onProgress?: (percent: number) => void;
  signal?: AbortSignal;
  /** Milliseconds for the whole transfer; 30 minutes by default. */
  timeoutMs?: number;
  /**
   * Addresses that an https host was resolved to and checked by the caller. git then connects to
   * these alone, so that a second look-up cannot lead elsewhere.
   */
  addresses?: readonly string[];
}

/** The commit of HEAD and the short name of its branch. */
export interface ImportResult {
  head: string;
  defaultBranch: string;
}

/**
 * Fetches branches and tags of `url` into a new store at `store`, which appears whole or not at
 * all; a store that is there already is left as it is. Branches named `workspace-*` are left out:
 * they would collide with those of agents. Objects are checked by fsck; no hook, submodule, prompt
 * or redirect is followed. The default branch is the upstream's HEAD, else main, master or the
 * first by name. A login in an https URL is sent as a header and never shown.
 *
 * Throws an ImportError.
 */
export async function importRepository(
  store: string,
  url: string,
  options: ImportOptions,
): Promise<ImportResult> {
  return withImportErrors(async () => {
    if (await exists(store)) return readHead(store);
    return buildAside(store, async (folder) => {
      await initBare(folder, "main");
      return withRemote(folder, url, options, async (remote) => {
        const defaultBranch = await readDefaultBranch(remote);
        await writeFile(join(folder, "HEAD"), `ref: refs/heads/${defaultBranch}\n`);
        await fetchRefs(remote, "refs/", options.onProgress);
        return readHead(folder);
      });
    });
  });
}

/**
 * Fetches branches and tags of `url` into a store that exists, under `refs/upstream/heads/` and
 * `refs/upstream/tags/`, as they are there now (forced, and pruned). Branches of the store itself
 * do not move: the caller decides. Rules and errors are those of `importRepository`.
 */
export async function fetchRepository(
  store: string,
  url: string,
  options: ImportOptions,
): Promise<void> {
  await withImportErrors(() =>
    withRemote(store, url, options, (remote) =>
      fetchRefs(remote, "refs/upstream/", options.onProgress),
    ),
  );
}

async function fetchRefs(
  remote: GitOptions,
  under: string,
  onProgress: ImportOptions["onProgress"],
): Promise<void> {
  const args = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"];
  const flags = ["--no-recurse-submodules", "--prune", "--atomic", "--end-of-options", "upstream"];
  const refspecs = [`+refs/heads/*:${under}heads/*`, `+refs/tags/*:${under}tags/*`];
  const onStderr = progressReader(onProgress ?? (() => undefined));
  await git([...args, ...flags, ...refspecs, "^refs/heads/workspace-*"], { ...remote, onStderr });
  onProgress?.(100);
}

/** The parts of a fetch, in order, with the percent at which each starts and ends. */
const PHASES: readonly (readonly [name: string, from: number, to: number])[] = [
  ["Counting objects", 0, 4],
  ["Compressing objects", 4, 10],
  ["Receiving objects", 10, 75],
  ["Resolving deltas", 75, 98],
];

/** Turns the progress lines of git into one percentage that only rises, up to 99. */
function progressReader(report: (percent: number) => void): (text: string) => void {
  let rest = "";
  let last = -1;
  return (text) => {
    const lines = (rest + text).split(/[\r\n]/);
    rest = (lines.pop() ?? "").slice(-1000);
    for (const line of lines) {
      const match = /^(?:remote: )?([A-Z][a-z]+ [a-z]+): +(\d{1,3})% \(/.exec(line);
      const phase = PHASES.find(([name]) => name === match?.[1]);
      if (match === null || phase === undefined) continue;
      const [, from, to] = phase;
      const percent = Math.floor(from + ((to - from) * Math.min(100, Number(match[2]))) / 100);
      if (percent > last) report((last = percent));
    }
  };
}

async function readDefaultBranch(remote: GitOptions): Promise<string> {
  const args = ["ls-remote", "--symref", "--end-of-options", "upstream", "HEAD", "refs/heads/*"];
  const lines = (await git(args, remote)).stdout.toString("utf8").split("\n");
  const branches = new Set<string>();
  let head: string | undefined;
  for (const line of lines) {
    const branch = /^[0-9a-f]{40}\trefs\/heads\/(.+)$/.exec(line)?.[1];
    if (branch !== undefined && !branch.startsWith("workspace-")) branches.add(branch);
    head ??= /^ref: refs\/heads\/(.+)\tHEAD$/.exec(line)?.[1];
  }
  const candidates = [head, "main", "master", [...branches].sort()[0]];
  const found = candidates.find((name) => name !== undefined && branches.has(name));
  if (found === undefined) throw importError("empty");
  return found;
}

async function readHead(store: string): Promise<ImportResult> {
  const symbolic = await git(["symbolic-ref", "HEAD"], { gitDir: store });
  const ref = symbolic.stdout.toString("utf8").trim();
  const commit = await git(["rev-parse", "--verify", "HEAD^{commit}"], { gitDir: store });
  return {
    head: commit.stdout.toString("latin1").trim(),
    defaultBranch: ref.replace(/^refs\/heads\//, ""),
  };
}

/** Calls `work` with the settings of a remote `upstream`, which no file of the store ever holds. */
async function withRemote<T>(
  store: string,
  url: string,
  options: ImportOptions,
  work: (remote: GitOptions) => Promise<T>,
): Promise<T> {
  const { protocol, config } = await remoteConfig(url, options);
  const remote: GitOptions = {
    gitDir: store,
    config,
    protocols: [protocol],
    timeoutMs: options.timeoutMs ?? 30 * 60_000,
    maxOutputBytes: 256 * 1024 * 1024,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  if (protocol !== "file") return work(remote);
  // The git that serves a local folder reads no setting but these: the folder may be another's.
  const globalConfig = join(store, "import.config");
  await writeFile(globalConfig, "[safe]\n\tdirectory = *\n");
  try {
    return await work({ ...remote, globalConfig });
  } finally {
    await rm(globalConfig, { force: true });
  }
}

async function remoteConfig(
  url: string,
  options: ImportOptions,
): Promise<{ protocol: Protocol; config: [string, string][] }> {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const protocol = options.protocols.find((name) => parsed?.protocol === `${name}:`);
  if (parsed === null || protocol === undefined || /[\u0000-\u0020\u007f]/.test(url)) {
    throw importError("unsupported_url");
  }
  const config: [string, string][] = [
    ["http.followRedirects", "false"],
    ["http.lowSpeedLimit", "1000"],
    ["http.lowSpeedTime", "60"],
    ["http.proxy", ""],
  ];
  if (protocol === "file") await checkSourceFolder(parsed);
  if (protocol === "https") {
    const port = parsed.port || "443";
    for (const address of options.addresses ?? []) {
      config.push(["http.curloptResolve", `${parsed.hostname}:${port}:${address}`]);
    }
    if (parsed.username !== "" || parsed.password !== "") {
      const login = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
      const header = `Authorization: Basic ${Buffer.from(login).toString("base64")}`;
      config.push(["http.extraHeader", header]);
      parsed.username = "";
      parsed.password = "";
    }
  }
  if (parsed.hostname.startsWith("-") || parsed.username.startsWith("-"))
    throw importError("unsupported_url");
  config.push(["remote.upstream.url", parsed.href]);
  return { protocol, config };
}

/**
 * A local source must hold its own objects: alternates, links and git files could lead to the
 * stores of others. Whether the folder may be read at all is the caller's decision.
 */
async function checkSourceFolder(url: URL): Promise<void> {
  if (url.host !== "" && url.host !== "localhost") throw importError("unsupported_url");
  const path = await realpath(fileURLToPath(`file://${url.pathname}`)).catch(() => null);
  if (path === null) throw importError("not_found");
  const inner = join(path, ".git");
  const gitDir = (await exists(inner)) ? inner : path;
  if (!(await lstat(gitDir)).isDirectory() || !(await exists(join(gitDir, "objects")))) {
    throw importError("not_a_repository");
  }
  for (const name of ["objects", "refs", "objects/pack", "objects/info"]) {
    const stats = await lstat(join(gitDir, name)).catch(() => null);
    if (stats !== null && !stats.isDirectory()) throw importError("refused");
  }
  for (const name of ["commondir", "objects/info/alternates"]) {
    if (await exists(join(gitDir, name))) throw importError("refused");
  }
}
