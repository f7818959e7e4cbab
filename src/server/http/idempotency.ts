import { createHmac } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Database } from "../db/connection/connect.js";
import { AppError } from "../errors.js";
import type { Actor } from "../access/authenticate.js";

/** What a first request answered; a secret in it was taken out before it was kept. */
interface Kept {
  status: number;
  body: string;
}

/** A first request that died with its process is given up after this long. */
const inFlight = "10 minutes";
const keptFor = "24 hours";

/**
 * Does a POST once for each caller and `Idempotency-Key`: the same key and body again is answered
 * with the first answer. Refusals are not kept: the request may be tried again.
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
  // An agent and the person who made its key are two callers.
  const kept = actor.agent ? `${actor.agent.id} ${key}` : key;
  // Keyed, so that a password in a body cannot be guessed from what is kept.
  const fingerprint = createHmac("sha256", secret)
    .update(`omoi idempotency\n${request.method} ${request.url}\n`)
    .update(JSON.stringify(request.body ?? null))
    .digest();
  const earlier = await reserve(db, actor.userId, kept, fingerprint);
  if (earlier) {
    reply.code(earlier.status).header("idempotent-replayed", "true");
    return JSON.parse(earlier.body) as unknown;
  }
  try {
    const data = await work();
    const body = JSON.stringify((withoutSecrets ? withoutSecrets(data) : data) ?? null);
    await db.systemPool.query(
      "update idempotency_keys set status = $3, body = $4 where user_id = $1 and key = $2",
      [actor.userId, kept, reply.statusCode, body],
    );
    return data;
  } catch (error) {
    await db.systemPool.query(
      "delete from idempotency_keys where user_id = $1 and key = $2 and status is null",
      [actor.userId, kept],
    );
    throw error;
  }
}

/** Claims the key for this request; or the answer that an earlier one with it had. */
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

/** Forgets answers that are too old to replay. */
export async function deleteOldAnswers(db: Database): Promise<void> {
  await db.systemPool.query(
    `delete from idempotency_keys where created_at < now() - interval '${keptFor}'`,
  );
}
