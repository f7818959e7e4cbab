/** Connects git to an upstream: the single place for addresses, credentials and limits. */
import { lstat, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exists } from "../files/atomic-directory.js";
import { BLOCK, git, GitError, type GitOptions, type Protocol } from "../process/run.js";
import { openSshSession, type SshSession } from "./ssh-session.js";
import { upstreamError, upstreamErrorOf } from "./upstream-error.js";

/** Credentials for an upstream. */
export type UpstreamLogin =
  | { kind: "https_token"; username: string; token: string }
  | { kind: "ssh_key"; private_key: string };

/** How to reach an upstream. */
export interface UpstreamOptions {
  /** Allowed URL schemes. The caller decides which hosts and folders are allowed. */
  protocols: readonly Protocol[];
  /**
   * Addresses of the host, resolved and checked by the caller. Only these are used, so that a
   * second DNS lookup cannot lead elsewhere.
   */
  addresses?: readonly string[];
  login?: UpstreamLogin | null;
  /**
   * The expected host key of an SSH server, as a line or fingerprint; null trusts any (trust on
   * first use).
   */
  hostKey?: string | null;
  /** Called with the key line of an SSH server after authentication. */
  onHostKey?: (line: string) => Promise<void>;
  /** A PEM file of certificate authorities that replaces the system's. */
  caFile?: string | null;
  /**
   * Called with the progress in whole percent, 0–100, strictly increasing; the last value is 100.
   */
  onProgress?: (percent: number) => void;
  signal?: AbortSignal;
  /** Time limit of the whole transfer in milliseconds; 30 minutes by default. */
  timeoutMs?: number;
  /** Maximum bytes of one transfer; unlimited by default. */
  maxBytes?: number;
  /** Further settings of git, for HTTP. */
  config?: readonly (readonly [string, string])[];
}

/** Runs a git command with a remote named `upstream`. @throws UpstreamError */
export type UpstreamGit = (
  args: readonly string[],
  options?: Pick<GitOptions, "onStderr" | "okExitCodes">,
) => ReturnType<typeof git>;

/**
 * Calls `work` with a git that knows the remote `upstream`. No file of the repository ever contains
 * the address or the credentials: the address is passed in the environment, a token through a
 * descriptor that git's credential helper reads, and an SSH key stays in this process. Hooks,
 * prompts, proxies and redirects are disabled.
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
  if (target.protocol === "https" || target.protocol === "http") {
    return work(run(overHttp(target.url, options)));
  }
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

/**
 * Tells whether a pack reached the size limit: the kernel then kills git, which cannot report why.
 */
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

/** Answers git's request for credentials, and ignores its requests to store or erase them. */
const HELPER = '!f() { test "$1" = get && cat <&3; }; f';

function overHttp(url: URL, options: UpstreamOptions): Partial<GitOptions> {
  const { login, addresses = [], caFile } = options;
  const config: (readonly [string, string])[] = [
    ...remoteConfig(url.href),
    ...(options.config ?? []),
    ["http.followRedirects", "false"],
    ["http.lowSpeedLimit", "1000"],
    ["http.lowSpeedTime", "60"],
    ["http.proxy", ""],
  ];
  if (addresses.length > 0) {
    const at = `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`;
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
  // Quoted for the remote shell as git does (connect.c).
  const path = decodeURIComponent(url.pathname).replace(/^\/~/, "~");
  const command = `${service} '${path.replaceAll(/['!]/g, String.raw`'\$&'`)}'`;
  return {
    // The URL is a placeholder: the session is already connected.
    config: remoteConfig("ssh://upstream/repository"),
    descriptors: (toGit, fromGit) => session.attach(command, toGit, fromGit),
  };
}

/**
 * Replaces the global config for the git that serves a local folder, which another user may own.
 */
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
 * Checks that a local source contains its own objects: alternates, links and git files could lead
 * to other repositories. The caller decides whether the folder may be read at all.
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

/** The phases of a transfer in order, with their start and end in percent. */
const PHASES: readonly (readonly [name: string, from: number, to: number])[] = [
  ["Counting objects", 0, 4],
  ["Compressing objects", 4, 10],
  ["Receiving objects", 10, 75],
  ["Writing objects", 10, 98],
  ["Resolving deltas", 75, 98],
];

/** Converts git's progress lines into one increasing percentage, up to 99. */
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
