/** The answers to clone and fetch, for callers whose right to read was checked. */
import { Readable } from "node:stream";
import { pktLine, PktLineError, RequestLimitError } from "#git/smart-http/pkt-line.js";
import { PUSH_REQUEST_TYPE, PUSH_RESULT_TYPE, pushReport } from "#git/smart-http/receive-pack.js";
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
import { AppError } from "../../../errors.js";
import { Answer } from "../../../http/answers/answer.js";
import type { RawRequest } from "../../../http/raw-routes.js";
import { MAX_FETCH_BYTES, readNegotiation } from "./negotiations.js";
import { isFromGit, stopReading } from "./request-body.js";

/** The media type of a fetch request, with its maximum number of bytes. */
export const fetchBodies = { "application/x-git-upload-pack-request": MAX_FETCH_BYTES };

export interface FetchedRepository {
  orgId: string;
  repoPath: string;
  /** The refs that the caller may read; null for all. */
  visible: readonly string[] | null;
}

/**
 * Answers `GET …/info/refs?service=git-upload-pack`.
 * @throws AppError 400
 */
export function advertiseFetch(
  request: RawRequest,
  { repoPath, visible }: Omit<FetchedRepository, "orgId">,
): Answer<Readable> {
  if (request.query["service"] !== "git-upload-pack") throw notGit();
  return streamed(
    request,
    ADVERTISEMENT_TYPE,
    advertiseRefs(repoPath, protocolOf(request), hiddenFrom(visible)),
  );
}

/**
 * Answers `POST …/git-upload-pack`.
 * @throws AppError 408, 413, 429; RequestLimitError, PktLineError
 */
export async function serveFetch(
  request: RawRequest,
  { orgId, repoPath, visible }: FetchedRepository,
): Promise<Answer<unknown>> {
  const negotiation = readNegotiation(request, orgId);
  try {
    const body = await negotiation.body;
    const sent = visible === null ? body : await readVisible(repoPath, body, visible);
    const input = Readable.from(sent, { objectMode: false });
    input.once("close", negotiation.end);
    const reply = uploadPack(repoPath, input, protocolOf(request), hiddenFrom(visible));
    return streamed(request, RESULT_TYPE, reply);
  } catch (error) {
    negotiation.end();
    stopReading(request);
    if (error instanceof NotOurRefError) return gitAnswer(RESULT_TYPE, error.answer);
    throw error;
  }
}

/** Reads a request without its mentions of hidden objects. */
async function readVisible(
  repoPath: string,
  body: AsyncIterable<Buffer>,
  visible: readonly string[],
): Promise<Iterable<Buffer>> {
  const refs = await listRefs(repoPath, "refs/");
  const tips = new Set(refs.filter(({ ref }) => visible.includes(ref)).map(({ sha }) => sha));
  return visibleRequest(repoPath, body, [...tips]);
}

/**
 * Maps an error of a request to the one that is sent, or to an answer by which git shows a limit to its
 * user. git exits before it answers where the request is malformed.
 */
export function toGitError(error: unknown, request: RawRequest): unknown {
  const limit = limitOf(error);
  if (limit !== null) {
    request.log.warn({ err: error }, "rejected a git request beyond the limits");
    return isFromGit(request) ? limitAnswer(request, limit.message) : limit;
  }
  const isMalformed =
    request.method === "POST" &&
    (error instanceof PktLineError ||
      isBadZip(error) ||
      (error instanceof GitError && error.reason === "exit"));
  if (!isMalformed) return error;
  request.log.warn({ err: error }, "rejected a malformed git request");
  return notGit();
}

function limitOf(error: unknown): AppError | null {
  if (error instanceof RequestLimitError) return new AppError("body_too_large", error.message);
  return error instanceof AppError && error.code === "body_too_large" ? error : null;
}

/** git shows its user the sentence only in an answer with status 200. */
function limitAnswer({ headers }: RawRequest, message: string): Answer<Buffer> {
  if (headers["content-type"] !== PUSH_REQUEST_TYPE) {
    return gitAnswer(RESULT_TYPE, pktLine(`ERR ${message}`));
  }
  const report = pushReport({ report: true, sideBand: true }, { unpack: message, refs: [] });
  return gitAnswer(PUSH_RESULT_TYPE, report);
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
