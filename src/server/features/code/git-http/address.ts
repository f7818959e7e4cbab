/** Resolves repository URLs: `<public url>/git/{org_slug}/{project_slug}.git`. */
import { Buffer } from "node:buffer";
import type { Permission } from "#shared/permissions.js";
import type { Database } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import type { Actor, Credentials } from "../../../access/authenticate.js";
import { resolveAccess } from "../../../access/authorize.js";
import { requirePermission, type Access } from "../../../access/access.js";
import { requireHome } from "../../../http/forwarding/home-availability.js";
import type { RawRequest } from "../../../http/raw-routes.js";
import { isStorable } from "../../../http/answers/text.js";
import type { Storage } from "../../../data-folder/storage.js";
import { findProjectByAddress } from "../projects/index.js";
import { branchRef, visibleBranches } from "../workspaces/index.js";

export interface AddressDeps {
  db: Database;
  storage: Storage;
  credentials: Credentials;
}

/** A repository the caller may access. */
export interface ResolvedRepository {
  actor: Actor;
  access: Access;
  projectId: string;
  repoPath: string;
  /** The refs visible to an agent's key; null when all are readable. */
  visible: string[] | null;
}

/**
 * Returns the requested repository for a caller with the permission; absent and invisible ones get the
 * same 404.
 * @throws AppError 401, 403, 404, 409 `project_not_ready`, 503 `home_unavailable`
 */
export async function resolveRepository(
  deps: AddressDeps,
  request: RawRequest,
  permission: Permission,
): Promise<ResolvedRepository> {
  const actor = await actorOf(deps.credentials, request);
  const { org = "", project: file = "" } = request.params;
  const project =
    file.endsWith(".git") && isStorable(org + file)
      ? await findProjectByAddress(deps.db, org, file.slice(0, -".git".length))
      : undefined;
  const access =
    project && (await resolveAccess(deps.db, actor, "org_id", project.organization_id));
  if (!project || !access) throw notFound();
  requirePermission(access, permission);
  requireHome(request);
  if (project.status !== "ready") {
    throw new AppError(
      "project_not_ready",
      "The project is not ready to be cloned; check its status page.",
    );
  }
  return {
    actor,
    access,
    projectId: project.id,
    repoPath: deps.storage.repository(project.organization_id, project.id),
    visible: await visibleRefs(deps.db, actor, project),
  };
}

async function visibleRefs(
  db: Database,
  actor: Actor,
  project: { id: string; organization_id: string },
): Promise<string[] | null> {
  const branches = await db.tenant(project.organization_id, (tx) =>
    visibleBranches(tx, actor, project.id),
  );
  return branches && Array.from(branches, branchRef);
}

/** git sends credentials only after a challenge (RFC 7617). */
async function actorOf(credentials: Credentials, request: RawRequest): Promise<Actor> {
  const challenge = {
    headers: { "www-authenticate": 'Basic realm="Omoi: an API key as the password"' },
  };
  const header = request.headers.authorization;
  const [, scheme, value] = /^(Basic|Bearer) ([\x21-\x7e]{1,2048})$/i.exec(header ?? "") ?? [];
  if (scheme === undefined || value === undefined) {
    throw new AppError(
      "unauthenticated",
      "Authentication is required; use an API key as the password.",
      challenge,
    );
  }
  const secret =
    scheme.toLowerCase() === "basic"
      ? Buffer.from(value, "base64").toString("utf8").split(":").slice(1).join(":")
      : value;
  try {
    if (secret.startsWith("oat_")) return await credentials.accessToken(secret);
    const actor = await credentials.apiKey(secret, request.ip);
    if (actor.key?.perMinute != null) await credentials.consumeRateLimit(actor.key);
    return actor;
  } catch (error) {
    if (!(error instanceof AppError) || error.status !== 401) throw error;
    throw new AppError(error.code, error.message, challenge);
  }
}
