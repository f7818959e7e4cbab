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
import { addressOf, type Address, type AddressDeps, type GitParams } from "./address.js";
import { withUploadTimeout } from "./upload-timeout.js";
import { receivePush } from "./push.js";

export interface GitHttpDeps extends AddressDeps {
  workspaces: WorkspaceDeps;
  /** Bytes of one push. */
  maxPushBytes: number;
}

/**
 * `<public url>/git/{org_slug}/{project_slug}.git`: git's smart HTTP, an API key (or an access token)
 * as the password or as a bearer token. Clone and fetch need `project:git:read`, a push needs
 * `project:git:write`.
 */
export function registerGitHttp(app: FastifyInstance, deps: GitHttpDeps): void {
  app.register(async (scope) => {
    // git's bodies are passed on as they come; its own limits hold, and those of a push.
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
      // git ended before it answered anything: it did not understand what it was sent.
      const garbled =
        request.method === "POST" &&
        (error instanceof PktLineError ||
          isBadZip(error) ||
          (error instanceof GitError && error.reason === "exit"));
      if (garbled) request.log.warn({ err: error }, "what came was no request of git");
      // What is left of its body is read by nobody: the connection carries no other request.
      if (request.method === "POST") reply.header("connection", "close");
      sendProblem(garbled ? notGit() : error, request, reply);
    });

    // git shows its user why it was refused where that is plain text (http.c, show_http_message).
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
          const { repoPath, visible } = await pushableAt(deps, request);
          const refs = [
            ...(await listRefs(repoPath, "refs/heads/")),
            ...(await listRefs(repoPath, "refs/tags/")),
          ].filter(({ ref }) => visible?.includes(ref) ?? true);
          return uncached(reply, PUSH_ADVERTISEMENT_TYPE).send(
            advertisePush(refs, { thin: visible === null }),
          );
        }
        const { repoPath, visible } = await addressOf(deps, request, "project:git:read");
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
        const { repoPath, visible } = await addressOf(deps, request, "project:git:read");
        const body = await shownBody(repoPath, bodyOf(request), visible);
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
        const address = await pushableAt(deps, request);
        return takePush(deps, request, reply, address);
      },
    );
  });
}

/** The repository for a caller who may push to it as it is now. @throws AppError also 409 `organization_archived` */
async function pushableAt(
  deps: GitHttpDeps,
  request: FastifyRequest<{ Params: GitParams }>,
): Promise<Address> {
  const address = await addressOf(deps, request, "project:git:write");
  refuseArchived(address.access);
  return address;
}

async function takePush(
  deps: GitHttpDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { actor, access, projectId, repoPath, visible }: Address,
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
    // Whoever was answered sees what he did.
    await deps.db.changes.syncLocal();
    return pushReport(push, report);
  });
  // The client may be gone before it is looked at.
  working.catch(() => undefined);
  return uncached(reply, PUSH_RESULT_TYPE).send(
    // Without commands it was asked only whether a push is welcome.
    push.commands.length === 0
      ? await working.then(() => "")
      : Readable.from(keepingAlive(working, push.sideBand && push.report), { objectMode: false }),
  );
}

const aliveMs = 5000;

/** The answer when it is there; until then, where the client takes it, a sign of life now and then. */
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
  return new AppError("bad_request", "This is no request of git; use git clone, fetch and push.");
}

/** Node's errors of zlib have its names. */
function isBadZip(error: unknown): boolean {
  return String((error as { code?: unknown }).code).startsWith("Z_");
}

function protocolOf(request: FastifyRequest): string | undefined {
  const header = request.headers["git-protocol"];
  return typeof header === "string" ? header : undefined;
}

/** The body as it was before it was zipped. */
function bodyOf(request: FastifyRequest): Readable {
  const body = (request.body ?? Readable.from([])) as Readable;
  if (request.headers["content-encoding"] !== "gzip") return body;
  const plain = createGunzip();
  body.on("error", (error) => plain.destroy(error)).on("aborted", () => plain.destroy());
  return body.pipe(plain);
}

/** The body of a fetch, without what it says of objects that are not shown to its client; or an answer. */
async function shownBody(
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

/** What of a store is not shown, for `advertiseRefs`. */
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
