import { sql } from "drizzle-orm";
import type { Database } from "../../../db/connection/connect.js";
import { gitVersion } from "#git/process/run.js";
import type { WorktreeKind } from "#git/worktree/worktree-driver.js";
import { authenticate, isPerson, type Credentials } from "../../../access/authenticate.js";
import { type RequestHead, isLocalCaller } from "../../../access/request-head.js";
import { Answer } from "../../../http/answers/answer.js";
import { rawRoutes } from "../../../http/raw-routes.js";
import type { Routes } from "../../../http/register-routes.js";
import type { SandboxReport } from "#sandbox/sandbox.js";
import type { Build } from "../../../config/read-build.js";
import { isSuperAdmin } from "../../identity/auth/index.js";

export interface HealthDeps {
  db: Database;
  credentials: Credentials;
  publicUrl: () => string;
  /** The sandbox and the folder driver of this machine. */
  machine: { sandbox: SandboxReport; folder_driver: WorktreeKind };
  build: Build;
  /** Finds why the disk counts as full; null if it does not. */
  checkDisk: () => Promise<string | null>;
}

/**
 * Registers `/version` (Omoi and its programs; null for one that does not answer), `/healthz` (the
 * process answers) and `/readyz` (database and git answer, the disk has space, and the process hears of changes). Only
 * local callers and super admins see failing parts and the machine's capabilities.
 */
export function healthRoutes(deps: HealthDeps): Routes {
  return rawRoutes([
    {
      method: "GET",
      path: "/version",
      handle: async () => {
        const [git, postgresql] = await Promise.all([
          gitVersion().then(
            ({ text }) => text.replace(/^git version /, ""),
            () => null,
          ),
          readPostgresVersion(deps.db).catch(() => null),
        ]);
        return new Answer({ ...deps.build, node: process.versions.node, git, postgresql });
      },
    },
    { method: "GET", path: "/healthz", handle: async () => new Answer({ status: "ok" }) },
    { method: "GET", path: "/readyz", handle: (request) => answerReadiness(deps, request) },
  ]);
}

async function answerReadiness(deps: HealthDeps, request: RequestHead): Promise<Answer<object>> {
  const [database, git, full] = await Promise.all([
    answers(() => deps.db.systemPool.query("select 1")),
    answers(gitVersion),
    answerOf(deps.checkDisk, "the data folder's disk does not answer"),
  ]);
  const { obstacle } = deps.db.changes;
  const reasons = [obstacle, full].filter((reason) => reason !== null);
  const isReady = database && git && reasons.length === 0;
  const status = isReady ? "ready" : "not ready";
  const isShown = isLocalCaller(request) || (await isOfSuperAdmin(deps, request));
  const parts = { database, git, disk: full === null, changes: obstacle === null };
  const reason = reasons.length === 0 ? {} : { reason: reasons.join("; ") };
  const body = isShown ? { status, ...parts, ...reason, ...deps.machine } : { status };
  return new Answer(body, { status: isReady ? 200 : 503 });
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
  request: RequestHead,
): Promise<boolean> {
  const actor = await authenticate(request, credentials, publicUrl).catch(() => null);
  if (!actor || !isPerson(actor) || (actor.key && !actor.key.scopes.includes("*:*"))) return false;
  return isSuperAdmin(db, actor.userId).catch(() => false);
}

function answers(probe: () => Promise<unknown>): Promise<boolean> {
  return answerOf(() => probe().then(() => true), false);
}

/** Returns the answer of a probe, or another value if it fails or takes longer than 3 seconds. */
async function answerOf<Answer, Failure>(
  probe: () => Promise<Answer>,
  failure: Failure,
): Promise<Answer | Failure> {
  const timeout = new Promise<Failure>((resolve) => {
    setTimeout(() => resolve(failure), 3000).unref();
  });
  return Promise.race([probe().catch(() => failure), timeout]);
}
