import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Database } from "../../db/connect.js";
import { gitVersion } from "../../git/run.js";
import type { FolderKind } from "../../git/folder.js";
import { authenticate, type Credentials } from "../../http/authenticate.js";
import { isWithin } from "../../http/network.js";
import type { SandboxReport } from "../../sandbox/sandbox.js";
import { isSuperAdmin } from "../auth/service.js";

export interface HealthDeps {
  db: Database;
  credentials: Credentials;
  publicUrl: () => string;
  /** What commands of agents are held to here, and how their folders are made. */
  machine: { sandbox: SandboxReport; folder_driver: FolderKind };
}

/**
 * `/healthz`: the process answers. `/readyz`: the database and git do, too. What of them does not answer,
 * and what this machine can do, is shown to callers on the machine itself and to super admins.
 */
export function mountHealth(app: FastifyInstance, deps: HealthDeps): void {
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (request, reply) => {
    const [database, git] = await Promise.all([
      answers(() => deps.db.systemPool.query("select 1")),
      answers(gitVersion),
    ]);
    const ready = database && git;
    const status = ready ? "ready" : "not ready";
    const isShown = isLocal(request) || (await isOfSuperAdmin(deps, request));
    return reply
      .code(ready ? 200 : 503)
      .send(isShown ? { status, database, git, ...deps.machine } : { status });
  });
}

/** Whether a request comes from this machine, and not through a proxy on it. */
function isLocal({ ip, headers }: FastifyRequest): boolean {
  const isForwarded = headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined;
  return !isForwarded && (isWithin(ip, "127.0.0.0/8") || isWithin(ip, "::1"));
}

async function isOfSuperAdmin(
  { db, credentials, publicUrl }: HealthDeps,
  request: FastifyRequest,
): Promise<boolean> {
  const actor = await authenticate(request, credentials, publicUrl).catch(() => null);
  if (!actor || actor.agent || (actor.key && !actor.key.scopes.includes("*:*"))) return false;
  return isSuperAdmin(db, actor.userId).catch(() => false);
}

async function answers(probe: () => Promise<unknown>): Promise<boolean> {
  const patience = new Promise<false>((resolve) => {
    setTimeout(() => resolve(false), 3000).unref();
  });
  return Promise.race([
    probe().then(
      () => true,
      () => false,
    ),
    patience,
  ]);
}
