import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import {
  advertisePush,
  COMMAND_LIMITS,
  KEEP_ALIVE,
  PUSH_ADVERTISEMENT_TYPE,
  PUSH_REQUEST_TYPE,
  PUSH_RESULT_TYPE,
  pushReport,
  readPushRequest,
} from "#git/smart-http/receive-pack.js";
import { listRefs } from "#git/store/refs.js";
import { requireNotArchived } from "../../../access/access.js";
import { requireNoMaintenance } from "../../../access/maintenance.js";
import type { Answer } from "../../../http/answers/answer.js";
import { rawRoutes, type RawRequest } from "../../../http/raw-routes.js";
import type { Routes } from "../../../http/register-routes.js";
import { withUploadTimeout } from "../../../http/server/upload-timeout.js";
import type { WorkspaceDeps } from "../workspaces/index.js";
import { resolveRepository, type ResolvedRepository, type AddressDeps } from "./address.js";
import { advertiseFetch, fetchBodies, gitAnswer, serveFetch, toGitError } from "./fetch.js";
import { receivePush } from "./push.js";
import { bodyOf, isFromGit, stopReading } from "./request-body.js";

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
          const found = await resolveRepository(deps, request, "project:git:read");
          return serveFetch(request, { ...found, orgId: found.access.orgId });
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
        ...fetchBodies,
        // Limited by `maxPushBytes` while it is read.
        [PUSH_REQUEST_TYPE]: Infinity,
      },
      toError: toGitError,
      // git shows plain-text errors to its user (http.c, show_http_message).
      wantsPlainErrors: isFromGit,
    },
  );
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
  return advertiseFetch(request, await resolveRepository(deps, request, "project:git:read"));
}

/**
 * Returns the repository for a caller who may push now.
 * @throws AppError also 409 `organization_archived`, 503 `maintenance`
 */
async function resolvePushTarget(
  deps: GitHttpDeps,
  request: RawRequest,
): Promise<ResolvedRepository> {
  const address = await resolveRepository(deps, request, "project:git:write");
  requireNotArchived(address.access);
  await requireNoMaintenance(deps.db);
  return address;
}

async function handlePush(
  deps: GitHttpDeps,
  request: RawRequest,
  { actor, access, projectId, repoPath, visible }: ResolvedRepository,
): Promise<Answer<unknown>> {
  // git limits the pack itself, so that the client gets its reason.
  const maxUnpacked = COMMAND_LIMITS.all + deps.maxPushBytes + 1;
  const upload = withUploadTimeout(request.raw, bodyOf(request, maxUnpacked));
  const { chunks, signal } = upload;
  const warnOfAbort = (): void => {
    if (!signal.aborted) return;
    const { message: reason } = signal.reason as Error;
    const actor_id = actor.agent?.id ?? actor.userId;
    const received_bytes = upload.received();
    request.log.warn({ actor_id, project_id: projectId, received_bytes, reason }, "push aborted");
  };
  const push = await readPushRequest(chunks).catch((error: unknown) => {
    stopReading(request);
    warnOfAbort();
    throw error;
  });
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
  working.catch(warnOfAbort);
  // nginx stops forwarding a body once its answer begins.
  await Promise.race([finished(request.raw, { writable: false }).catch(() => working), working]);
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
