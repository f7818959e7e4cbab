import { Buffer } from "node:buffer";
import { createGunzip } from "node:zlib";
import type { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Database } from "../../db/connect.js";
import { AppError, notFound } from "../../errors.js";
import {
  ADVERTISEMENT_TYPE,
  RESULT_TYPE,
  advertiseRefs,
  uploadPack,
  type UploadPackReply,
} from "../../git/smart-http.js";
import { GitError } from "../../git/run.js";
import type { Actor, Credentials } from "../../http/authenticate.js";
import { requirePermission, standingOf } from "../../http/authorize.js";
import { sendProblem } from "../../http/problem.js";
import { isStorable } from "../../http/text.js";
import type { Storage } from "../../storage.js";
import { findProjectByAddress } from "../projects/service.js";
import { branchesOfAgent } from "../workspaces/service.js";

export interface GitHttpDeps {
  db: Database;
  storage: Storage;
  credentials: Credentials;
}

interface GitParams {
  org: string;
  project: string;
}

/**
 * `<public url>/git/{org_slug}/{project_slug}.git`: git's smart HTTP, an API key (or an access token)
 * as the password or as a bearer token. Clone and fetch need `project:git:read`.
 */
export function mountGitHttp(app: FastifyInstance, deps: GitHttpDeps): void {
  app.register(async (scope) => {
    // git's bodies are passed on as they come; its own limits hold.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "application/x-git-upload-pack-request",
      { bodyLimit: 64 * 1024 * 1024 },
      (_request, payload, done) => done(null, payload),
    );

    scope.setErrorHandler((error, request, reply) => {
      // git ended before it answered anything: it did not understand what it was sent.
      const garbled =
        request.method === "POST" && error instanceof GitError && error.reason === "exit";
      if (garbled) request.log.warn({ err: error }, "upload-pack refused a request");
      sendProblem(garbled ? notGit() : error, request, reply);
    });

    scope.get<{ Params: GitParams; Querystring: { service?: string } }>(
      "/git/:org/:project/info/refs",
      async (request, reply) => {
        const { store, hidden } = await readableStore(deps, request);
        if (request.query.service !== "git-upload-pack") throw onlyReading();
        return send(
          request,
          reply,
          ADVERTISEMENT_TYPE,
          advertiseRefs("upload-pack", store, protocolOf(request), hidden),
        );
      },
    );

    scope.post<{ Params: GitParams }>(
      "/git/:org/:project/git-upload-pack",
      async (request, reply) => {
        const { store, hidden } = await readableStore(deps, request);
        const body = request.body as Readable;
        const plain =
          request.headers["content-encoding"] === "gzip" ? body.pipe(createGunzip()) : body;
        return send(
          request,
          reply,
          RESULT_TYPE,
          uploadPack(store, plain, protocolOf(request), hidden),
        );
      },
    );

    scope.post("/git/:org/:project/git-receive-pack", async () => {
      throw onlyReading();
    });
  });
}

function onlyReading(): AppError {
  return new AppError(
    "insufficient_permission",
    "This address is for clone and fetch; commit through the agent's workspace.",
    { missing_permissions: ["project:git:write"] },
  );
}

function notGit(): AppError {
  return new AppError("bad_request", "This is no request of git; use git clone and git fetch.");
}

function protocolOf(request: FastifyRequest): string | undefined {
  const header = request.headers["git-protocol"];
  return typeof header === "string" ? header : undefined;
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
  return reply.type(type).header("cache-control", "no-cache, no-store").send(answer.body);
}

/** The store that the request names and the references to hide, for a caller who may read it; one 404 for absent and invisible. */
async function readableStore(
  deps: GitHttpDeps,
  request: FastifyRequest<{ Params: GitParams }>,
): Promise<{ store: string; hidden: string[] }> {
  const actor = await actorOf(deps.credentials, request);
  const { org, project: file } = request.params;
  const project =
    file.endsWith(".git") && isStorable(org + file)
      ? await findProjectByAddress(deps.db, org, file.slice(0, -".git".length))
      : undefined;
  const standing = project && (await standingOf(deps.db, actor, "org_id", project.organization_id));
  if (!project || !standing) throw notFound();
  requirePermission(standing, "project:git:read");
  if (project.status !== "ready") {
    throw new AppError("project_not_ready", "The project is not ready to be cloned; see its page.");
  }
  return {
    store: deps.storage.repository(project.organization_id, project.id),
    hidden: actor.agent ? await hiddenFrom(deps.db, actor.agent.id, project.default_branch) : [],
  };
}

/** An agent sees the base branch, its own and its parent's. */
async function hiddenFrom(db: Database, agentId: string, defaultBranch: string): Promise<string[]> {
  const branches = await branchesOfAgent(db, agentId);
  return ["refs", ...new Set([defaultBranch, ...branches].map((name) => `!refs/heads/${name}`))];
}

/** git sends no credential at first and asks its user when it is challenged (RFC 7617). */
async function actorOf(credentials: Credentials, request: FastifyRequest): Promise<Actor> {
  const challenge = {
    headers: { "www-authenticate": 'Basic realm="Omoi: an API key as the password"' },
  };
  const header = request.headers.authorization;
  const [, scheme, value] = /^(Basic|Bearer) ([\x21-\x7e]{1,2048})$/i.exec(header ?? "") ?? [];
  if (scheme === undefined || value === undefined) {
    throw new AppError("unauthenticated", "Give an API key as the password.", challenge);
  }
  const secret =
    scheme.toLowerCase() === "basic"
      ? Buffer.from(value, "base64").toString("utf8").split(":").slice(1).join(":")
      : value;
  try {
    if (secret.startsWith("oat_")) return await credentials.accessToken(secret);
    const actor = await credentials.apiKey(secret, request.ip);
    if (actor.key?.perMinute != null) await credentials.takeTurn(actor.key);
    return actor;
  } catch (error) {
    if (!(error instanceof AppError) || error.status !== 401) throw error;
    throw new AppError(error.code, error.message, challenge);
  }
}
