import type { Database } from "../../../../db/connection/connect.js";
import { invalidToken } from "../../../../access/authenticate.js";
import { AppError, notFound } from "../../../../errors.js";
import { requireHome } from "../../../../http/forwarding/home-availability.js";
import type { RawRequest } from "../../../../http/raw-routes.js";
import type { CallRate } from "../../../../models/call-rate.js";
import { isUuid } from "#shared/uuid.js";
import { runnerTokenPrefix } from "#shared/execution/runner/protocol.js";
import { hashRunnerToken } from "../../runners/index.js";
import * as queries from "./runner-calls.queries.js";
import type { CallingRunner } from "./runner-calls.queries.js";

export interface RunnerAccess {
  db: Database;
  /** Limits the calls of each runner. */
  rate: CallRate;
}

/**
 * Returns the runner of a request. Its token is not cached: one that was removed is refused everywhere at once.
 * @param isGit whether git sends the token, as its password
 * @throws AppError 401; 429
 */
export async function authenticateRunner(
  { db, rate }: RunnerAccess,
  request: RawRequest,
  isGit = false,
): Promise<CallingRunner> {
  const token = tokenOf(request, isGit);
  if (token === null) {
    throw new AppError(
      "unauthenticated",
      "Authentication is required; send the runner's token as a bearer token.",
      {
        headers: {
          // git sends a credential only after a challenge (RFC 7617).
          "www-authenticate": isGit ? 'Basic realm="Omoi: the token of a runner"' : "Bearer",
        },
      },
    );
  }
  if (!token.startsWith(runnerTokenPrefix)) throw invalidToken();
  const hash = hashRunnerToken(db.verificationKey, token);
  const runner = await db.withSystem("authenticate a runner", (tx) =>
    queries.findRunnerByToken(tx, hash),
  );
  if (!runner) throw invalidToken();
  const waitSeconds = rate.take(runner.run_id ?? runner.id);
  if (waitSeconds !== null) {
    throw new AppError("rate_limited", "The runner sends too many requests; send fewer of them.", {
      headers: { "retry-after": String(waitSeconds) },
    });
  }
  if (runner.is_stale) {
    await db.withSystem("record that a runner was heard of", (tx) =>
      queries.recordSeen(tx, runner.id),
    );
  }
  return runner;
}

/** Returns the bearer token, or the password of git; null without a credential, empty for an unknown one. */
function tokenOf({ headers: { authorization } }: RawRequest, isGit: boolean): string | null {
  if (authorization === undefined) return null;
  const found = /^(Basic|Bearer) ([\x21-\x7e]{1,2048})$/i.exec(authorization);
  const [, scheme = "", value = ""] = found ?? [];
  if (scheme.toLowerCase() !== "basic") return value;
  if (!isGit) return "";
  return Buffer.from(value, "base64").toString("utf8").split(":").slice(1).join(":");
}

/**
 * Returns the runner of a request, and the id of the run in its path.
 * @param isGit whether git sends the token, as its password
 * @throws AppError also 404 for no id, 503 `home_unavailable`
 */
export async function authenticateForRun(
  access: RunnerAccess,
  request: RawRequest,
  isGit = false,
): Promise<{ runnerId: string; runId: string }> {
  const { id: runnerId, run_id: onlyRun } = await authenticateRunner(access, request, isGit);
  const runId = request.params["run_id"]?.toLowerCase() ?? "";
  if (!isUuid(runId) || (onlyRun !== null && onlyRun !== runId)) throw notFound();
  requireHome(request);
  return { runnerId, runId };
}
