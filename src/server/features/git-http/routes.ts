import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { AppError } from "../../errors.js";
import { PktLineError } from "#git/smart-http/pkt-line.js";
import {
  advertisePush,
  KEEP_ALIVE,
  PUSH_ADVERTISEMENT_TYPE,
  PUSH_REQUEST_TYPE,
  PUSH_RESULT_TYPE,
  pushReport,
  readPushRequest,
} from "#git/smart-http/receive-pack.js";
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
import { requireNotArchived } from "../../access/access.js";
import { Answer } from "../../http/answer.js";
import { rawRoutes, type RawRequest } from "../../http/raw-routes.js";
import type { Routes } from "../../http/register-routes.js";
import type { WorkspaceDeps } from "../workspaces/index.js";
import { resolveRepository, type ResolvedRepository, type AddressDeps } from "./address.js";
import { withUploadTimeout } from "./upload-timeout.js";
import { receivePush } from "./push.js";

export interface GitHttpDeps extends AddressDeps {
  workspaces: WorkspaceDeps;
  /** Maximum size of a push in bytes. */
  maxPushBytes: number;
}

/**
 * Serves `<public url>/git/{org_slug}/{project_slug}.git` by git's smart HTTP protocol. The credential
 * is an API key or access token, as password or bearer token. Clone and fetch require
 * `project:git:read`, a push `project:git:write`.
 */
export function gitHttpRoutes(deps: GitHttpDeps): Routes {
  return rawRoutes(
    [
      {
        method: "GET",
        path: "/git/{org}/{project}/info/refs",
        handle: (request) =>
          request.query["service"] === "git-receive-pack"
            ? advertiseToPush(deps, request)
            : advertiseToFetch(deps, request),
      },
      {
        method: "POST",
        path: "/git/{org}/{project}/git-upload-pack",
        handle: async (request) => {
          const { repoPath, visible } = await resolveRepository(deps, request, "project:git:read");
          const body = await filterRequestBody(repoPath, bodyOf(request), visible);
          if (Buffer.isBuffer(body)) return gitAnswer(RESULT_TYPE, body);
          const reply = uploadPack(repoPath, body, protocolOf(request), hiddenFrom(visible));
          return streamed(request, RESULT_TYPE, reply);
        },
      },
      {
        method: "POST",
        path: "/git/{org}/{project}/git-receive-pack",
        handle: async (request) =>
          handlePush(deps, request, await resolvePushTarget(deps, request)),
      },
    ],
    {
      bodies: {
        "application/x-git-upload-pack-request": maxFetchBytes,
        // Limited by `maxPushBytes` while it is read.
        [PUSH_REQUEST_TYPE]: Number.MAX_SAFE_INTEGER,
      },
      toError,
      // git shows plain-text errors to its user (http.c, show_http_message).
      wantsPlainErrors: ({ headers }) => headers["user-agent"]?.startsWith("git/") ?? false,
    },
  );
}

/** Maximum bytes of a fetch request: the wants and haves of the client. */
const maxFetchBytes = 64 * 1024 * 1024;

/** git exits before it answers where the request is malformed. */
function toError(error: unknown, request: RawRequest): unknown {
  const isMalformed =
    request.method === "POST" &&
    (error instanceof PktLineError ||
      isBadZip(error) ||
      (error instanceof GitError && error.reason === "exit"));
  if (!isMalformed) return error;
  request.log.warn({ err: error }, "rejected a malformed git request");
  return notGit();
}

async function advertiseToPush(deps: GitHttpDeps, request: RawRequest): Promise<Answer<unknown>> {
  const { repoPath, visible } = await resolvePushTarget(deps, request);
  const refs = [
    ...(await listRefs(repoPath, "refs/heads/")),
    ...(await listRefs(repoPath, "refs/tags/")),
  ].filter(({ ref }) => visible?.includes(ref) ?? true);
  return gitAnswer(PUSH_ADVERTISEMENT_TYPE, advertisePush(refs, { thin: visible === null }));
}

async function advertiseToFetch(deps: GitHttpDeps, request: RawRequest): Promise<Answer<unknown>> {
  const { repoPath, visible } = await resolveRepository(deps, request, "project:git:read");
  if (request.query["service"] !== "git-upload-pack") throw notGit();
  return streamed(
    request,
    ADVERTISEMENT_TYPE,
    advertiseRefs("upload-pack", repoPath, protocolOf(request), hiddenFrom(visible)),
  );
}

/**
 * Returns the repository for a caller who may push now.
 * @throws AppError also 409 `organization_archived`
 */
async function resolvePushTarget(
  deps: GitHttpDeps,
  request: RawRequest,
): Promise<ResolvedRepository> {
  const address = await resolveRepository(deps, request, "project:git:write");
  requireNotArchived(address.access);
  return address;
}

async function handlePush(
  deps: GitHttpDeps,
  request: RawRequest,
  { actor, access, projectId, repoPath, visible }: ResolvedRepository,
): Promise<Answer<unknown>> {
  const { chunks, signal } = withUploadTimeout(bodyOf(request));
  const push = await readPushRequest(chunks);
  const working = receivePush(
    deps.workspaces,
    {
      orgId: access.orgId,
      projectId,
      repoPath,
      actor,
      ip: request.ip,
      requestId: request.id,
      log: request.log,
      visible,
      maxBytes: deps.maxPushBytes,
      signal,
    },
    push,
  ).then(async (report) => {
    // Read-your-writes for the caller.
    await deps.db.changes.syncLocal();
    return pushReport(push, report);
  });
  // Handled here, because the client may be gone before the result is awaited.
  working.catch(() => undefined);
  return gitAnswer(
    PUSH_RESULT_TYPE,
    // Without commands the client only probed whether it may push.
    push.commands.length === 0
      ? await working.then(() => "")
      : Readable.from(keepingAlive(working, push.sideBand && push.report), { objectMode: false }),
  );
}

const aliveMs = 5000;

/** Yields the report when it is ready, and until then keepalive packets if the client supports them. */
async function* keepingAlive(working: Promise<Buffer>, mayTell: boolean): AsyncGenerator<Buffer> {
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), aliveMs);
    });
    const answer = await Promise.race([working, pause]).finally(() => clearTimeout(timer));
    if (answer !== null) {
      yield answer;
      return;
    }
    if (mayTell) yield KEEP_ALIVE;
  }
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
function bodyOf(request: RawRequest): Readable {
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

function gitAnswer<Body>(type: string, body: Body): Answer<Body> {
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
