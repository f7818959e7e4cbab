import { sql } from "drizzle-orm";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Database } from "../../db/connection/connect.js";
import { gitVersion } from "#git/process/run.js";
import type { FolderKind } from "#git/worktree/folder-driver.js";
import { authenticate, type Credentials } from "../../access/authenticate.js";
import { isLocalCaller } from "../../access/local-caller.js";
import type { SandboxReport } from "#sandbox/sandbox.js";
import type { Build } from "../../config/read-build.js";
import { isSuperAdmin } from "../auth/index.js";

export interface HealthDeps {
  db: Database;
  credentials: Credentials;
  publicUrl: () => string;
  /** The sandbox and the folder driver of this machine. */
  machine: { sandbox: SandboxReport; folder_driver: FolderKind };
  build: Build;
}

/**
 * Registers `/version` (Omoi and its programs; null for one that does not answer), `/healthz` (the
 * process answers) and `/readyz` (database and git answer). Only local callers and super admins see
 * failing parts and the machine's capabilities.
 */
export function registerHealth(app: FastifyInstance, deps: HealthDeps): void {
  app.get("/version", async () => {
    const [git, postgresql] = await Promise.all([
      gitVersion().then(
        ({ text }) => text.replace(/^git version /, ""),
        () => null,
      ),
      readPostgresVersion(deps.db).catch(() => null),
    ]);
    return { ...deps.build, node: process.versions.node, git, postgresql };
  });
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (request, reply) => {
    const [database, git] = await Promise.all([
      answers(() => deps.db.systemPool.query("select 1")),
      answers(gitVersion),
    ]);
    const ready = database && git;
    const status = ready ? "ready" : "not ready";
    const isShown = isLocalCaller(request) || (await isOfSuperAdmin(deps, request));
    return reply
      .code(ready ? 200 : 503)
      .send(isShown ? { status, database, git, ...deps.machine } : { status });
  });
}

async function readPostgresVersion(db: Database): Promise<string | null> {
  const { rows } = await db.withSystem("read the version of PostgreSQL", (tx) =>
    tx.execute<{ version: string }>(sql`select current_setting('server_version') as version`),
  );
  // Distributions append their version: "17.6 (Debian 17.6-0+deb13u1)".
  return rows[0]?.version.split(" ", 1)[0] ?? null;
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
  const timeout = new Promise<false>((resolve) => {
    setTimeout(() => resolve(false), 3000).unref();
  });
  return Promise.race([
    probe().then(
      () => true,
      () => false,
    ),
    timeout,
  ]);
}
