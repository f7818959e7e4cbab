import { createHmac } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Database } from "../../db/connection/connect.js";
import { isCommitUnknown } from "../../db/connection/failures.js";
import { AppError } from "../../errors.js";
import type { Actor } from "../../access/authenticate.js";

/** Stored response to a first request, with secrets redacted. */
interface Kept {
  status: number;
  body: string;
}

/** Age at which an unfinished first request is considered dead. */
const inFlight = "10 minutes";
const keptFor = "24 hours";

/**
 * Runs a POST once per caller and `Idempotency-Key`. A repetition with the same body gets the first
 * response. Errors are not stored, so that the request can be retried. If a change may have been made
 * without its response being stored, repetitions are refused until the first request counts as dead.
 * @param withoutSecrets redacts the body to store; null without secrets
 * @throws AppError 409 `idempotency_in_flight`; 422 `idempotency_mismatch`; 400 for a bad key
 */
export async function withIdempotencyKey(
  { db, secret }: { db: Database; secret: string },
  actor: Actor,
  request: FastifyRequest,
  reply: FastifyReply,
  work: () => Promise<unknown>,
  withoutSecrets: ((data: unknown) => unknown) | null,
): Promise<unknown> {
  const key = request.headers["idempotency-key"];
  if (request.method !== "POST" || key === undefined) return work();
  if (typeof key !== "string" || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new AppError("bad_request", "Idempotency-Key must be 1–255 visible ASCII characters.");
  }
  // An agent and the person who created its key are separate callers.
  const kept = actor.agent ? `${actor.agent.id} ${key}` : key;
  // An HMAC, so that a password in a body cannot be guessed from the stored value.
  const fingerprint = createHmac("sha256", secret)
    .update(`omoi idempotency\n${request.method} ${request.url}\n`)
    .update(JSON.stringify(request.body ?? null))
    .digest();
  const earlier = await reserve(db, actor.userId, kept, fingerprint);
  if (earlier) {
    reply.code(earlier.status).header("idempotent-replayed", "true");
    return JSON.parse(earlier.body) as unknown;
  }
  const release = (): Promise<unknown> =>
    db.systemPool.query(
      "delete from idempotency_keys where user_id = $1 and key = $2 and status is null",
      [actor.userId, kept],
    );
  let data: unknown;
  try {
    data = await work();
  } catch (error) {
    const isUnknown = isCommitUnknown(error) || (error as AppError).code === "outcome_unknown";
    // The error of the request matters more than one of the release.
    if (!isUnknown) await release().catch(() => {});
    throw error;
  }
  const body = JSON.stringify((withoutSecrets ? withoutSecrets(data) : data) ?? null);
  try {
    await db.systemPool.query(
      "update idempotency_keys set status = $3, body = $4 where user_id = $1 and key = $2",
      [actor.userId, kept, reply.statusCode, body],
    );
  } catch (error) {
    // The change is made: an error would invite the caller to repeat it.
    request.log.error({ err: error }, "the response of an idempotent request was not stored");
  }
  return data;
}

/** Claims the key for this request and returns null, or returns the stored response. */
async function reserve(
  db: Database,
  userId: string,
  key: string,
  fingerprint: Buffer,
): Promise<Kept | null> {
  const claimed = await db.systemPool.query(
    `insert into idempotency_keys (user_id, key, fingerprint) values ($1, $2, $3)
     on conflict (user_id, key) do update
       set fingerprint = excluded.fingerprint, status = null, body = null, created_at = now()
       where idempotency_keys.created_at < now() - interval '${keptFor}'
         or (idempotency_keys.status is null and idempotency_keys.created_at < now() - interval '${inFlight}')
     returning key`,
    [userId, key, fingerprint],
  );
  if (claimed.rows.length === 1) return null;
  const { rows } = await db.systemPool.query<{
    fingerprint: Buffer;
    status: number | null;
    body: string | null;
  }>("select fingerprint, status, body from idempotency_keys where user_id = $1 and key = $2", [
    userId,
    key,
  ]);
  const earlier = rows[0];
  if (earlier && !earlier.fingerprint.equals(fingerprint)) {
    throw new AppError(
      "idempotency_mismatch",
      "This Idempotency-Key was used with another request; make a new key for a new request.",
    );
  }
  if (!earlier || earlier.status === null || earlier.body === null) {
    throw new AppError(
      "idempotency_in_flight",
      "The same request is being handled; wait for its answer, then try again.",
    );
  }
  return { status: earlier.status, body: earlier.body };
}

/** Deletes responses that are too old to replay. */
export async function deleteOldAnswers(db: Database): Promise<void> {
  await db.systemPool.query(
    `delete from idempotency_keys where created_at < now() - interval '${keptFor}'`,
  );
}
