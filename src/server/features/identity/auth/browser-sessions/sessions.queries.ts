import { and, desc, eq, gt, isNull, lt, ne, type SQL, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { sessions, users } from "../../../../db/tables/identity-tables.js";
import { newId } from "../../../../db/tables/columns.js";

export interface SessionOrigin {
  ip: string;
  user_agent: string | null;
}

export async function insertSession(
  tx: Queryable,
  userId: string,
  origin: SessionOrigin,
  expiresAt: string,
): Promise<string> {
  const id = newId();
  await tx.insert(sessions).values({ id, user_id: userId, ...origin, expires_at: expiresAt });
  await tx
    .update(users)
    .set({ last_login_at: sql`now()` })
    .where(eq(users.id, userId));
  return id;
}

export interface LiveSession extends Record<string, unknown> {
  id: string;
  user_id: string;
  generation: number;
  expires_at: Date;
  /** Not marked as used for an hour. */
  idle: boolean;
}

/** Returns the live sessions of active users among the ids. */
export async function findLiveSessions(
  tx: Queryable,
  ids: string[],
): Promise<ReadonlyMap<string, LiveSession>> {
  const { rows } = await tx.execute<LiveSession>(sql`
    select s.id, s.user_id, s.generation, s.expires_at, s.last_used_at < now() - interval '1 hour' as idle
    from sessions s join users u on u.id = s.user_id
    where s.id = any(${sql.param(ids)}::uuid[]) and s.revoked_at is null and s.expires_at > now()
      and u.is_active`);
  return new Map(rows.map((row) => [row.id, { ...row, expires_at: new Date(row.expires_at) }]));
}

/** Advances a session to its next generation, if it is still at the given one. */
export async function rotateSession(
  tx: Queryable,
  sessionId: string,
  generation: number,
  expiresAt: string,
): Promise<boolean> {
  const rotated = await tx
    .update(sessions)
    .set({ generation: generation + 1, last_used_at: sql`now()`, expires_at: expiresAt })
    .where(
      and(
        eq(sessions.id, sessionId),
        eq(sessions.generation, generation),
        isNull(sessions.revoked_at),
        gt(sessions.expires_at, sql`now()`),
      ),
    )
    .returning({ id: sessions.id });
  return rotated.length === 1;
}

export async function touchSession(
  tx: Queryable,
  sessionId: string,
  expiresAt: string,
): Promise<void> {
  await tx
    .update(sessions)
    .set({ last_used_at: sql`now()`, expires_at: expiresAt })
    .where(and(eq(sessions.id, sessionId), isNull(sessions.revoked_at)));
}

/** Ends a session of a user. Returns whether it existed. */
export async function revokeSession(
  tx: Queryable,
  userId: string,
  sessionId: string,
): Promise<boolean> {
  const revoked = await tx
    .update(sessions)
    .set({ revoked_at: sql`now()` })
    .where(
      and(eq(sessions.id, sessionId), eq(sessions.user_id, userId), isNull(sessions.revoked_at)),
    )
    .returning({ id: sessions.id });
  return revoked.length === 1;
}

/** Returns the newest thousand addresses from which the user with an email address signed in. */
export async function listAddresses(tx: Queryable, email: string): Promise<string[]> {
  const rows = await tx
    .select({ ip: sessions.ip })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.user_id))
    .where(eq(users.email, email))
    .orderBy(desc(sessions.created_at))
    .limit(1000);
  return [...new Set(rows.flatMap(({ ip }) => ip ?? []))];
}

/** Ends all sessions of a user, or all but one. */
export async function revokeSessions(
  tx: Queryable,
  userId: string,
  except: string | null,
): Promise<void> {
  await tx
    .update(sessions)
    .set({ revoked_at: sql`now()` })
    .where(
      and(
        eq(sessions.user_id, userId),
        isNull(sessions.revoked_at),
        except === null ? undefined : ne(sessions.id, except),
      ),
    );
}

function selectSessions(tx: Queryable, userId: string, which: SQL | undefined) {
  return tx
    .select({
      id: sessions.id,
      created_at: sessions.created_at,
      last_used_at: sessions.last_used_at,
      expires_at: sessions.expires_at,
      ip: sessions.ip,
      user_agent: sessions.user_agent,
    })
    .from(sessions)
    .where(
      and(
        eq(sessions.user_id, userId),
        isNull(sessions.revoked_at),
        gt(sessions.expires_at, sql`now()`),
        which,
      ),
    );
}

/** Finds a live session of a user. */
export async function findSession(tx: Queryable, userId: string, sessionId: string) {
  const [found] = await selectSessions(tx, userId, eq(sessions.id, sessionId));
  return found;
}

/** Lists a user's live sessions, latest sign-in first, after the given id. */
export async function listSessions(
  tx: Queryable,
  userId: string,
  after: string | null,
  limit: number,
) {
  return selectSessions(tx, userId, after === null ? undefined : lt(sessions.id, after))
    .orderBy(desc(sessions.id))
    .limit(limit);
}
