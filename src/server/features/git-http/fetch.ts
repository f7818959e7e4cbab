/** The answers to clone and fetch, for callers whose right to read was checked. */
import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { PktLineError } from "#git/smart-http/pkt-line.js";
import { listRefs } from "#git/store/refs.js";
import {
  ADVERTISEMENT_TYPE,
  RESULT_TYPE,
  advertiseRefs,
  uploadPack,
  type UploadPackReply,
} from "#git/smart-http/smart-http.js";
import { GitError } from "#git/process/run.js";
import { NotOurRefError, visibleRequest } from "#git/smart-http/visible-request.js";
import { AppError } from "../../errors.js";
import { Answer } from "../../http/answers/answer.js";
import type { RawRequest } from "../../http/raw-routes.js";

/** Maximum bytes of a fetch request: the wants and haves of the client. */
const maxFetchBytes = 64 * 1024 * 1024;

/** The media type of a fetch request, with its maximum number of bytes. */
export const fetchBodies = { "application/x-git-upload-pack-request": maxFetchBytes };

/**
 * Answers `GET …/info/refs?service=git-upload-pack`.
 * @param visible the refs that the caller may read; null for all
 * @throws AppError 400
 */
export function advertiseFetch(
  request: RawRequest,
  repoPath: string,
  visible: readonly string[] | null,
): Answer<Readable> {
  if (request.query["service"] !== "git-upload-pack") throw notGit();
  return streamed(
    request,
    ADVERTISEMENT_TYPE,
    advertiseRefs("upload-pack", repoPath, protocolOf(request), hiddenFrom(visible)),
  );
}

/** Answers `POST …/git-upload-pack`; `visible` as for `advertiseFetch`. */
export async function serveFetch(
  request: RawRequest,
  repoPath: string,
  visible: readonly string[] | null,
): Promise<Answer<unknown>> {
  const body = await filterRequestBody(repoPath, bodyOf(request), visible);
  if (Buffer.isBuffer(body)) return gitAnswer(RESULT_TYPE, body);
  const reply = uploadPack(repoPath, body, protocolOf(request), hiddenFrom(visible));
  return streamed(request, RESULT_TYPE, reply);
}

/** git exits before it answers where the request is malformed. */
export function toGitError(error: unknown, request: RawRequest): unknown {
  const isMalformed =
    request.method === "POST" &&
    (error instanceof PktLineError ||
      isBadZip(error) ||
      (error instanceof GitError && error.reason === "exit"));
  if (!isMalformed) return error;
  request.log.warn({ err: error }, "rejected a malformed git request");
  return notGit();
}

function notGit(): AppError {
  return new AppError("bad_request", "This is not a git request; use git clone, fetch or push.");
}

/** zlib errors in Node have zlib's names. */
function isBadZip(error: unknown): boolean {
  return String((error as { code?: unknown }).code).startsWith("Z_");
}

function protocolOf(request: RawRequest): string | undefined {
  const header = request.headers["git-protocol"];
  return typeof header === "string" ? header : undefined;
}

/** Decompresses the request body. */
export function bodyOf(request: RawRequest): Readable {
  const body = (request.body ?? Readable.from([])) as Readable;
  if (request.headers["content-encoding"] !== "gzip") return body;
  const plain = createGunzip();
  body.on("error", (error) => plain.destroy(error)).on("aborted", () => plain.destroy());
  return body.pipe(plain);
}

/** Returns the body of a fetch without mentions of hidden objects, or a direct answer. */
async function filterRequestBody(
  repoPath: string,
  body: Readable,
  visible: readonly string[] | null,
): Promise<Readable | Buffer> {
  if (visible === null) return body;
  const visibleRefs = (await listRefs(repoPath, "refs/")).filter(({ ref }) =>
    visible.includes(ref),
  );
  const tips = new Set(visibleRefs.map(({ sha }) => sha));
  try {
    return Readable.from([await visibleRequest(repoPath, body, [...tips])]);
  } catch (error) {
    if (error instanceof NotOurRefError) return error.answer;
    throw error;
  }
}

/** Returns the ref patterns hidden from the caller, for `advertiseRefs`. */
function hiddenFrom(visible: readonly string[] | null): string[] {
  return visible === null ? [] : ["refs", ...visible.map((ref) => `!${ref}`)];
}

export function gitAnswer<Body>(type: string, body: Body): Answer<Body> {
  return new Answer(body, {
    headers: { "content-type": type, "cache-control": "no-cache, no-store" },
  });
}

function streamed(request: RawRequest, type: string, reply: UploadPackReply): Answer<Readable> {
  reply.exit
    .then(({ exitCode, stderr }) => {
      if (exitCode !== 0 && !request.raw.destroyed)
        request.log.warn({ stderr }, "upload-pack failed");
    })
    .catch(() => {});
  return gitAnswer(type, reply.body);
}
