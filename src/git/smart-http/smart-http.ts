/**
 * git's smart HTTP for clone and fetch: the two answers of `upload-pack`, as streams. Who may read
 * what is decided by the caller, who names what stays hidden.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isRefName } from "../store/bare-repository.js";
import { type GitOptions, type GitProcess, keptOutput, spawnGit } from "../process/run.js";

/** The content types of the two answers. */
export const ADVERTISEMENT_TYPE = "application/x-git-upload-pack-advertisement";
export const RESULT_TYPE = "application/x-git-upload-pack-result";

/** An answer on its way. */
export interface UploadPackReply {
  /**
   * The bytes to send. Fails with a GitError where git fails or takes too long; destroying it ends
   * git. Consume or destroy it.
   */
  body: Readable;
  /** Settles when git has ended: its exit code and what it said; a client gone away is no error. */
  exit: Promise<{ exitCode: number | null; stderr: string }>;
}

const UPLOAD_MS = 60 * 60_000;
/** A clone writes no file that counts. */
const UPLOAD_FILE_BYTES = 1024 * 1024;
/** How long git waits for a client that sends nothing, in seconds. */
const IDLE_SECONDS = 120;

/**
 * The value of a client's `Git-Protocol` header that git may see: one or more `key=value` words,
 * else undefined. Where references are hidden it is undefined too: protocol version 2 lets a client
 * ask for any object whose id it knows, hidden or not; the older one only for what is shown.
 */
export function protocolFor(
  header: string | undefined,
  hiddenRefs: readonly string[],
): string | undefined {
  if (header === undefined || hiddenRefs.length > 0 || header.length > 200) return undefined;
  return /^version=[012](?::[a-z0-9._-]+(?:=[a-z0-9._-]+)?)*$/.test(header) ? header : undefined;
}

function serve(
  repoPath: string,
  flags: readonly string[],
  protocol: string | undefined,
  hiddenRefs: readonly string[],
  extra: GitOptions & { stdin?: "pipe" },
): GitProcess {
  const version = protocolFor(protocol, hiddenRefs);
  const config: [string, string][] = [
    ["uploadpack.allowTipSHA1InWant", "false"],
    ["uploadpack.allowReachableSHA1InWant", "false"],
    ["uploadpack.allowAnySHA1InWant", "false"],
    // A partial clone asks for single objects later, which only version 2 allows.
    ["uploadpack.allowFilter", String(version?.startsWith("version=2") ?? false)],
    ["pack.threads", "1"],
    // Trees that repeat themselves make deltas long to search for.
    ["pack.windowMemory", "256m"],
  ];
  for (const prefix of hiddenRefs) {
    const name = prefix.replace(/\/$/, "");
    const bare = name.replace(/^!/, "");
    if (bare !== "refs" && !isRefName(bare)) throw new TypeError("hidden refs start with refs/");
    config.push(["uploadpack.hideRefs", name]);
  }
  const args = ["upload-pack", "--strict", `--timeout=${IDLE_SECONDS}`, "--stateless-rpc"];
  return spawnGit([...args, ...flags, repoPath], {
    timeoutMs: UPLOAD_MS,
    maxFileBytes: UPLOAD_FILE_BYTES,
    background: true,
    ...extra,
    config,
    ...(version === undefined ? {} : { env: { GIT_PROTOCOL: version } }),
  });
}

function reply(child: GitProcess, before: string): UploadPackReply {
  const output = outputOf(child, keptOutput(child.stdout), before);
  const body = Readable.from(output, { objectMode: false });
  // A generator that was never started does not clean up behind itself.
  body.once("close", () => child.kill());
  const exit = child.done.then(
    ({ exitCode, stderr }) => ({ exitCode, stderr }),
    (error: unknown) => ({
      exitCode: null,
      stderr: error instanceof Error ? error.message : String(error),
    }),
  );
  return { body, exit };
}

async function* outputOf(
  child: GitProcess,
  output: Readable,
  before: string,
): AsyncGenerator<Buffer> {
  if (before !== "") yield Buffer.from(before);
  for await (const chunk of output) yield chunk as Buffer;
  await child.done;
}

/**
 * The answer to `GET …/info/refs?service=git-upload-pack`. `protocol` is the `Git-Protocol` header;
 * references under `hiddenRefs` (`refs/omoi`, `refs/heads/workspace-b`: whole names or folders of
 * names) are not shown, and their commits not given; `!refs/heads/main` shows one again, the last
 * that fits wins. HEAD is always shown. Send it as `ADVERTISEMENT_TYPE`, uncached.
 *
 * Throws a TypeError for a bad prefix.
 */
export function advertiseRefs(
  service: "upload-pack",
  repoPath: string,
  protocol: string | undefined,
  hiddenRefs: readonly string[],
): UploadPackReply {
  const child = serve(repoPath, ["--http-backend-info-refs"], protocol, hiddenRefs, {});
  const line = `# service=git-${service}\n`;
  const version2 = protocolFor(protocol, hiddenRefs)?.startsWith("version=2") ?? false;
  const before = version2 ? "" : `${(line.length + 4).toString(16).padStart(4, "0")}${line}0000`;
  return reply(child, before);
}

/**
 * The answer to `POST …/git-upload-pack`. `body` is the request's, already unzipped; give the same
 * `protocol` and `hiddenRefs` as to `advertiseRefs`. Send it as `RESULT_TYPE`, uncached.
 */
export function uploadPack(
  repoPath: string,
  body: Readable,
  protocol: string | undefined,
  hiddenRefs: readonly string[],
): UploadPackReply {
  const child = serve(repoPath, [], protocol, hiddenRefs, { stdin: "pipe" });
  const { stdin } = child;
  if (stdin === null) throw new Error("git was started without an input");
  // git stops reading when it has heard enough; a client that goes away ends git.
  pipeline(body, stdin).catch(() => {
    if (!body.readableEnded) child.kill();
  });
  return reply(child, "");
}
