/** How git reaches an upstream: the one place that knows of addresses, logins and limits. */
import { lstat, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exists } from "../worktree/atomic-directory.js";
import { BLOCK, git, GitError, type GitOptions, type Protocol } from "../process/run.js";
import { openSshSession, type SshSession } from "./ssh-session.js";
import { upstreamError, upstreamErrorOf } from "./upstream-error.js";

/** What an upstream is shown to be let in. */
export type UpstreamLogin =
  | { kind: "https_token"; username: string; token: string }
  | { kind: "ssh_key"; private_key: string };

/** How an upstream is reached. */
export interface UpstreamOptions {
  /** What the URL may be. Which hosts and folders are allowed is the caller's decision. */
  protocols: readonly Protocol[];
  /**
   * Addresses that the host was resolved to and checked by the caller. These alone are connected to, so
   * that a second look-up cannot lead elsewhere.
   */
  addresses?: readonly string[];
  login?: UpstreamLogin | null;
  /** The host key that an SSH server must show: its line or its fingerprint; null trusts what it shows. */
  hostKey?: string | null;
  /** Told the line of the key that an SSH server showed, once it is let through. */
  onHostKey?: (line: string) => Promise<void>;
  /** A PEM file of authorities to trust instead of the machine's. */
  caFile?: string | null;
  /** Whole percent of the work, 0–100, only ever rising; 100 comes last. */
  onProgress?: (percent: number) => void;
  signal?: AbortSignal;
  /** Milliseconds for the whole transfer; 30 minutes by default. */
  timeoutMs?: number;
  /** The most bytes that one transfer may bring in; without it there is no limit. */
  maxBytes?: number;
}

/** Runs a git command whose remote is called `upstream`. @throws UpstreamError */
export type UpstreamGit = (
  args: readonly string[],
  options?: Pick<GitOptions, "onStderr" | "okExitCodes">,
) => ReturnType<typeof git>;

/**
 * Calls `work` with a git that knows the remote `upstream`. No file of the store ever holds its address
 * or its login: an address goes through the environment, a token through a descriptor that git's
 * credential helper reads, and an SSH key does not leave this process. No hook, prompt, proxy or
 * redirect is followed.
 * @throws UpstreamError
 */
export async function withUpstream<T>(
  repoPath: string,
  url: string,
  service: "git-upload-pack" | "git-receive-pack",
  options: UpstreamOptions,
  work: (git: UpstreamGit) => Promise<T>,
): Promise<T> {
  const target = parseUrl(url, options.protocols);
  const deadline = AbortSignal.timeout(options.timeoutMs ?? 30 * 60_000);
  const signal = AbortSignal.any([deadline, ...(options.signal ? [options.signal] : [])]);
  const base: GitOptions = {
    gitDir: repoPath,
    protocols: [target.protocol],
    timeoutMs: 0,
    background: true,
    maxOutputBytes: 64 * 1024 * 1024,
    signal,
    ...(options.maxBytes === undefined ? {} : { maxFileBytes: options.maxBytes }),
  };
  const isLate = (): boolean => deadline.aborted && options.signal?.aborted !== true;
  let session: SshSession | undefined;
  const run =
    (fixed: Partial<GitOptions>): UpstreamGit =>
    async (args, extra = {}) => {
      try {
        return await git(args, { ...base, ...fixed, ...extra });
      } catch (error) {
        if (!(error instanceof GitError)) throw error;
        if (isLate()) throw upstreamError("timed_out");
        if (await isFull(repoPath, options.maxBytes)) throw upstreamError("too_large");
        throw upstreamErrorOf(error, session?.said());
      }
    };
  if (target.protocol === "https") return work(run(overHttps(target.url, options)));
  if (target.protocol === "file") {
    return withLocalConfig(repoPath, target.url, (globalConfig) =>
      work(run({ globalConfig, config: remoteConfig(target.url.href) })),
    );
  }
  try {
    session = await openSession(target.url, options, signal).catch((error: unknown) => {
      throw isLate() ? upstreamError("timed_out") : error;
    });
    await options.onHostKey?.(session.hostKey);
    return await work(run(overSsh(target.url, service, session)));
  } finally {
    session?.close();
  }
}

/** Whether a pack has come in up to the limit: the system ends git there, which cannot say why. */
async function isFull(repoPath: string, maxBytes: number | undefined): Promise<boolean> {
  if (maxBytes === undefined) return false;
  const folder = join(repoPath, "objects/pack");
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map((name) => lstat(join(folder, name))));
  return sizes.some(({ size }) => size >= maxBytes - BLOCK);
}

function parseUrl(url: string, protocols: readonly Protocol[]): { protocol: Protocol; url: URL } {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const protocol = protocols.find((name) => parsed?.protocol === `${name}:`);
  if (
    parsed === null ||
    protocol === undefined ||
    /[\u0000-\u0020\u007f]/.test(url) ||
    parsed.password !== "" ||
    (parsed.username !== "" && protocol !== "ssh") ||
    parsed.hostname.startsWith("-") ||
    parsed.username.startsWith("-")
  ) {
    throw upstreamError("unsupported_url");
  }
  return { protocol, url: parsed };
}

function remoteConfig(url: string): [string, string][] {
  return [["remote.upstream.url", url]];
}

/** Answers git when it is asked for a login; never when git wants one kept or forgotten. */
const HELPER = '!f() { test "$1" = get && cat <&3; }; f';

function overHttps(url: URL, options: UpstreamOptions): Partial<GitOptions> {
  const { login, addresses = [], caFile } = options;
  const config: [string, string][] = [
    ...remoteConfig(url.href),
    ["http.followRedirects", "false"],
    ["http.lowSpeedLimit", "1000"],
    ["http.lowSpeedTime", "60"],
    ["http.proxy", ""],
  ];
  if (addresses.length > 0) {
    const at = `${url.hostname}:${url.port || "443"}`;
    config.push(["http.curloptResolve", `${at}:${addresses.join(",")}`]);
  }
  if (caFile != null) config.push(["http.sslCAInfo", caFile]);
  if (login?.kind !== "https_token") return { config };
  config.push(["credential.helper", HELPER]);
  const answer = `username=${login.username}\npassword=${login.token}\n`;
  return { config, descriptors: (third) => void third.end(answer) };
}

function openSession(
  url: URL,
  { addresses = [], login, hostKey = null }: UpstreamOptions,
  signal: AbortSignal,
): Promise<SshSession> {
  const privateKey = login?.kind === "ssh_key" ? login.private_key : null;
  const user = decodeURIComponent(url.username) || "git";
  return openSshSession(
    { addresses, port: Number(url.port || 22), user, privateKey, hostKey },
    signal,
  );
}

function overSsh(url: URL, service: string, session: SshSession): Partial<GitOptions> {
  // As git itself names it to the shell there (connect.c).
  const path = decodeURIComponent(url.pathname).replace(/^\/~/, "~");
  const command = `${service} '${path.replaceAll(/['!]/g, String.raw`'\$&'`)}'`;
  return {
    // git is told nothing: the session is there already.
    config: remoteConfig("ssh://upstream/repository"),
    descriptors: (toGit, fromGit) => session.attach(command, toGit, fromGit),
  };
}

/** The git that serves a local folder reads no setting but these: the folder may be another's. */
async function withLocalConfig<T>(
  repoPath: string,
  url: URL,
  work: (globalConfig: string) => Promise<T>,
): Promise<T> {
  await checkSourceFolder(url);
  const globalConfig = join(repoPath, "import.config");
  await writeFile(globalConfig, "[safe]\n\tdirectory = *\n");
  try {
    return await work(globalConfig);
  } finally {
    await rm(globalConfig, { force: true });
  }
}

/**
 * A local source must hold its own objects: alternates, links and git files could lead to the
 * stores of others. Whether the folder may be read at all is the caller's decision.
 */
async function checkSourceFolder(url: URL): Promise<void> {
  if (url.host !== "" && url.host !== "localhost") throw upstreamError("unsupported_url");
  const path = await realpath(fileURLToPath(`file://${url.pathname}`)).catch(() => null);
  if (path === null) throw upstreamError("not_found");
  const inner = join(path, ".git");
  const gitDir = (await exists(inner)) ? inner : path;
  if (!(await lstat(gitDir)).isDirectory() || !(await exists(join(gitDir, "objects")))) {
    throw upstreamError("not_a_repository");
  }
  for (const name of ["objects", "refs", "objects/pack", "objects/info"]) {
    const stats = await lstat(join(gitDir, name)).catch(() => null);
    if (stats !== null && !stats.isDirectory()) throw upstreamError("refused");
  }
  for (const name of ["commondir", "objects/info/alternates"]) {
    if (await exists(join(gitDir, name))) throw upstreamError("refused");
  }
}

/** The parts of a transfer, in order, with the percent at which each starts and ends. */
const PHASES: readonly (readonly [name: string, from: number, to: number])[] = [
  ["Counting objects", 0, 4],
  ["Compressing objects", 4, 10],
  ["Receiving objects", 10, 75],
  ["Writing objects", 10, 98],
  ["Resolving deltas", 75, 98],
];

/** Turns the progress lines of git into one percentage that only rises, up to 99. */
export function progressReader(
  report: (percent: number) => void = () => undefined,
): (text: string) => void {
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
