import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { Problem } from "#shared/errors.js";
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
import { refuseArchived } from "../../access/access.js";
import { sendProblem } from "../../http/problem.js";
import type { WorkspaceDeps } from "../workspaces/index.js";
import {
  resolveRepository,
  type ResolvedRepository,
  type AddressDeps,
  type GitParams,
} from "./address.js";
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
export function registerGitHttp(app: FastifyInstance, deps: GitHttpDeps): void {
  app.register(async (scope) => {
    // Bodies are streamed; git's own limits and those of a push apply.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "application/x-git-upload-pack-request",
      { bodyLimit: 64 * 1024 * 1024 },
      (_request, payload, done) => done(null, payload),
    );
    scope.addContentTypeParser(
      PUSH_REQUEST_TYPE,
      { bodyLimit: Number.MAX_SAFE_INTEGER },
      (_request, payload, done) => done(null, payload),
    );

    scope.setErrorHandler((error, request, reply) => {
      // git exited before it answered, because the request was malformed.
      const isMalformed =
        request.method === "POST" &&
        (error instanceof PktLineError ||
          isBadZip(error) ||
          (error instanceof GitError && error.reason === "exit"));
      if (isMalformed) request.log.warn({ err: error }, "rejected a malformed git request");
      // The rest of the body is not read, so the connection cannot be reused.
      if (request.method === "POST") reply.header("connection", "close");
      sendProblem(isMalformed ? notGit() : error, request, reply);
    });

    // git shows plain-text errors to its user (http.c, show_http_message).
    scope.addHook("onSend", async (request, reply, payload) => {
      const isGit = request.headers["user-agent"]?.startsWith("git/") ?? false;
      const type = String(reply.getHeader("content-type"));
      if (!isGit || typeof payload !== "string" || !type.startsWith("application/problem+json")) {
        return payload;
      }
      reply.type("text/plain; charset=utf-8");
      return `${(JSON.parse(payload) as Problem).detail}\n`;
    });

    scope.get<{ Params: GitParams; Querystring: { service?: string } }>(
      "/git/:org/:project/info/refs",
      async (request, reply) => {
        if (request.query.service === "git-receive-pack") {
          const { repoPath, visible } = await resolvePushTarget(deps, request);
          const refs = [
            ...(await listRefs(repoPath, "refs/heads/")),
            ...(await listRefs(repoPath, "refs/tags/")),
          ].filter(({ ref }) => visible?.includes(ref) ?? true);
          return uncached(reply, PUSH_ADVERTISEMENT_TYPE).send(
            advertisePush(refs, { thin: visible === null }),
          );
        }
        const { repoPath, visible } = await resolveRepository(deps, request, "project:git:read");
        if (request.query.service !== "git-upload-pack") throw notGit();
        return send(
          request,
          reply,
          ADVERTISEMENT_TYPE,
          advertiseRefs("upload-pack", repoPath, protocolOf(request), hiddenFrom(visible)),
        );
      },
    );

    scope.post<{ Params: GitParams }>(
      "/git/:org/:project/git-upload-pack",
      async (request, reply) => {
        const { repoPath, visible } = await resolveRepository(deps, request, "project:git:read");
        const body = await filterRequestBody(repoPath, bodyOf(request), visible);
        if (Buffer.isBuffer(body)) return uncached(reply, RESULT_TYPE).send(body);
        return send(
          request,
          reply,
          RESULT_TYPE,
          uploadPack(repoPath, body, protocolOf(request), hiddenFrom(visible)),
        );
      },
    );

    scope.post<{ Params: GitParams }>(
      "/git/:org/:project/git-receive-pack",
      async (request, reply) => {
        const address = await resolvePushTarget(deps, request);
        return handlePush(deps, request, reply, address);
      },
    );
  });
}

/**
 * Returns the repository for a caller who may push now.
 * @throws AppError also 409 `organization_archived`
 */
async function resolvePushTarget(
  deps: GitHttpDeps,
  request: FastifyRequest<{ Params: GitParams }>,
): Promise<ResolvedRepository> {
  const address = await resolveRepository(deps, request, "project:git:write");
  refuseArchived(address.access);
  return address;
}

async function handlePush(
  deps: GitHttpDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { actor, access, projectId, repoPath, visible }: ResolvedRepository,
): Promise<FastifyReply> {
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
      log: request.log as Logger,
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
  return uncached(reply, PUSH_RESULT_TYPE).send(
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

function protocolOf(request: FastifyRequest): string | undefined {
  const header = request.headers["git-protocol"];
  return typeof header === "string" ? header : undefined;
}

/** Decompresses the request body. */
function bodyOf(request: FastifyRequest): Readable {
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
  const shown = (await listRefs(repoPath, "refs/")).filter(({ ref }) => visible.includes(ref));
  const tips = new Set(shown.map(({ sha }) => sha));
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

function uncached(reply: FastifyReply, type: string): FastifyReply {
  return reply.type(type).header("cache-control", "no-cache, no-store");
}

function send(
  request: FastifyRequest,
  reply: FastifyReply,
  type: string,
  answer: UploadPackReply,
): FastifyReply {
  answer.exit
    .then(({ exitCode, stderr }) => {
      if (exitCode !== 0 && !request.raw.destroyed)
        request.log.warn({ stderr }, "upload-pack failed");
    })
    .catch(() => {});
  return uncached(reply, type).send(answer.body);
}
