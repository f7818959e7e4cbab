/**
 * Smart HTTP for clone and fetch: both replies of `upload-pack` as streams. The caller authorizes
 * the request and names the hidden references.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isRefName } from "../store/bare-repository.js";
import { type GitOptions, type GitProcess, bufferOutput, spawnGit } from "../process/run.js";

/** Codes of errors of a stream whose reader has ended. */
const ENDED = new Set([
  "EPIPE",
  "ECONNRESET",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
]);

/** Content types of the two replies. */
export const ADVERTISEMENT_TYPE = "application/x-git-upload-pack-advertisement";
export const RESULT_TYPE = "application/x-git-upload-pack-result";

/** A streaming reply. */
export interface UploadPackReply {
  /**
   * The response body. Fails with a GitError if git fails or times out; destroying it stops git.
   * Consume or destroy it.
   */
  body: Readable;
  /**
   * Settles when git has ended, with its exit code and standard error; a disconnected client is not
   * an error.
   */
  exit: Promise<{ exitCode: number | null; stderr: string }>;
}

const UPLOAD_MS = 60 * 60_000;
/** A clone writes only small temporary files. */
const UPLOAD_FILE_BYTES = 1024 * 1024;
/** Seconds that git waits for a silent client. */
const IDLE_SECONDS = 120;

/**
 * Returns the client's `Git-Protocol` header if it is well-formed (`key=value` words), otherwise
 * undefined. Also undefined if references are hidden: with protocol version 2 a client can request
 * any object by id, hidden or not; version 0 serves only advertised ones.
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
    // A partial clone requests single objects later, which only version 2 allows.
    ["uploadpack.allowFilter", String(version?.startsWith("version=2") ?? false)],
    ["pack.threads", "1"],
    // Repetitive trees make the search for deltas slow.
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

/** @param sent settles when the request was sent to git; null without a request */
function reply(child: GitProcess, before: string, sent: Promise<void> | null): UploadPackReply {
  const output = outputOf(child, bufferOutput(child.stdout), before, sent);
  const body = Readable.from(output, { objectMode: false });
  // A generator that was never started runs no cleanup.
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
  sent: Promise<void> | null,
): AsyncGenerator<Buffer> {
  if (before !== "") yield Buffer.from(before);
  for await (const chunk of output) yield chunk as Buffer;
  try {
    await child.done;
  } catch (error) {
    // git ends when its request fails, and a request fails when git ends.
    const failure: unknown = await sent?.then(
      () => null,
      (reason: unknown) => reason,
    );
    throw failure == null || ENDED.has(String((failure as { code?: unknown }).code))
      ? error
      : failure;
  }
}

/**
 * Replies to `GET …/info/refs?service=git-upload-pack`. `protocol` is the `Git-Protocol` header.
 * References under `hiddenRefs` (`refs/omoi`, `refs/heads/workspace-b`: whole names or prefixes)
 * are not advertised and their commits not served. `!refs/heads/main` makes one visible again; the
 * last match wins. HEAD is always visible. Send it as `ADVERTISEMENT_TYPE`, uncached.
 * @throws TypeError for an invalid prefix
 */
export function advertiseRefs(
  repoPath: string,
  protocol: string | undefined,
  hiddenRefs: readonly string[],
): UploadPackReply {
  const child = serve(repoPath, ["--http-backend-info-refs"], protocol, hiddenRefs, {});
  const line = "# service=git-upload-pack\n";
  const version2 = protocolFor(protocol, hiddenRefs)?.startsWith("version=2") ?? false;
  const before = version2 ? "" : `${(line.length + 4).toString(16).padStart(4, "0")}${line}0000`;
  return reply(child, before, null);
}

/**
 * Replies to `POST …/git-upload-pack`. `body` is the decompressed request body, whose error is
 * the reply's; pass the same `protocol` and `hiddenRefs` as to `advertiseRefs`. Send it as
 * `RESULT_TYPE`, uncached.
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
  const sent = pipeline(body, stdin);
  // git stops reading once it has enough input; a disconnected client stops git.
  sent.catch(() => {
    if (!body.readableEnded) child.kill();
  });
  return reply(child, "", sent);
}
