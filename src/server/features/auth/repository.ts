import { and, desc, eq, gt, isNull, lt, ne, sql } from "drizzle-orm";
import type { User } from "#shared/api/auth.js";
import type { Queryable } from "../../db/connect.js";
import { accounts, rateLimits, sessions, users } from "../../db/tables.js";
import { newId } from "../../db/columns.js";

const userColumns = {
  id: users.id,
  email: users.email,
  full_name: users.full_name,
  department: users.department,
  attributes: users.attributes,
  is_active: users.is_active,
  is_verified: users.is_verified,
  is_super_admin: users.is_super_admin,
  created_at: users.created_at,
  last_login_at: users.last_login_at,
};

/**
 * Adds a person with a password; the first of the installation is its super admin. With `onlyFirst`
 * nobody else is added, and the answer is null.
 */
export async function insertUser(
  tx: Queryable,
  input: { email: string; full_name: string | null; password_hash: string },
  onlyFirst: boolean,
): Promise<User | null> {
  // Two first registrations at once must not both find an empty table.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('omoi first user'))`);
  if (onlyFirst && (await tx.select({ id: users.id }).from(users).limit(1)).length > 0) return null;
  const [user] = await tx
    .insert(users)
    .values({
      id: newId(),
      email: input.email,
      full_name: input.full_name,
      is_super_admin: sql<boolean>`not exists (select from users)`,
    })
    .returning(userColumns);
  if (!user) throw new Error("the user was not inserted");
  await tx.insert(accounts).values({
    id: newId(),
    user_id: user.id,
    provider_id: "password",
    account_id: user.id,
    password_hash: input.password_hash,
  });
  return user;
}

export async function findUser(tx: Queryable, userId: string): Promise<User | undefined> {
  const [user] = await tx.select(userColumns).from(users).where(eq(users.id, userId));
  return user;
}

export async function updateUser(
  tx: Queryable,
  userId: string,
  changes: Partial<Pick<User, "full_name" | "department" | "attributes">>,
): Promise<User | undefined> {
  const [user] = await tx
    .update(users)
    .set({ ...changes, updated_at: sql`now()` })
    .where(eq(users.id, userId))
    .returning(userColumns);
  return user;
}

/** The password hash behind an address, for a person who may sign in. */
export async function findPassword(
  tx: Queryable,
  email: string,
): Promise<{ user_id: string; password_hash: string } | undefined> {
  const [row] = await tx
    .select({ user_id: users.id, password_hash: accounts.password_hash })
    .from(users)
    .innerJoin(accounts, and(eq(accounts.user_id, users.id), eq(accounts.provider_id, "password")))
    .where(and(eq(users.email, email), eq(users.is_active, true)));
  return row?.password_hash
    ? { user_id: row.user_id, password_hash: row.password_hash }
    : undefined;
}

/** A person's own address and password hash. */
export async function findOwnPassword(
  tx: Queryable,
  userId: string,
): Promise<{ email: string; password_hash: string } | undefined> {
  const [row] = await tx
    .select({ email: users.email, password_hash: accounts.password_hash })
    .from(users)
    .innerJoin(accounts, and(eq(accounts.user_id, users.id), eq(accounts.provider_id, "password")))
    .where(eq(users.id, userId));
  return row?.password_hash ? { email: row.email, password_hash: row.password_hash } : undefined;
}

/** Sets a person's password, also the first one. */
export async function setPassword(
  tx: Queryable,
  userId: string,
  passwordHash: string,
): Promise<void> {
  await tx
    .insert(accounts)
    .values({
      id: newId(),
      user_id: userId,
      provider_id: "password",
      account_id: userId,
      password_hash: passwordHash,
    })
    .onConflictDoUpdate({
      target: [accounts.provider_id, accounts.account_id],
      set: { password_hash: passwordHash, updated_at: sql`now()` },
    });
}

/** Changes a person's password where it still is `current`. Whether it did. */
export async function replacePassword(
  tx: Queryable,
  userId: string,
  passwordHash: string,
  current: string,
): Promise<boolean> {
  const changed = await tx
    .update(accounts)
    .set({ password_hash: passwordHash, updated_at: sql`now()` })
    .where(
      and(
        eq(accounts.user_id, userId),
        eq(accounts.provider_id, "password"),
        eq(accounts.password_hash, current),
      ),
    )
    .returning({ id: accounts.id });
  return changed.length === 1;
}

/** Whether a hash is still the person's; until the transaction ends, nobody changes it. */
export async function holdPassword(
  tx: Queryable,
  userId: string,
  passwordHash: string,
): Promise<boolean> {
  const rows = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(
      and(
        eq(accounts.user_id, userId),
        eq(accounts.provider_id, "password"),
        eq(accounts.password_hash, passwordHash),
      ),
    )
    .for("share");
  return rows.length === 1;
}

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
  /** Whether it has not been marked as used for an hour. */
  idle: boolean;
}

/** The sessions among the ids that are alive, of people who are active. */
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

/** Moves a session to its next generation, if it still is at this one. */
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

/** Ends a session of a person. Whether there was one. */
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

/** Whether the person with an e-mail address has been signed in from an address of the network. */
export async function hasSessionFrom(tx: Queryable, email: string, ip: string): Promise<boolean> {
  const rows = await tx
    .select({ id: sessions.id })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.user_id))
    .where(and(eq(users.email, email), eq(sessions.ip, ip)))
    .limit(1);
  return rows.length === 1;
}

/** Ends all sessions of a person, or all but one. */
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

export async function listSessions(tx: Queryable, userId: string) {
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
      ),
    )
    .orderBy(desc(sessions.last_used_at));
}

/** Counts one hit in the window that now falls in; gives the count and the seconds until the next window. */
export async function countHit(
  tx: Queryable,
  bucket: string,
  windowSeconds: number,
): Promise<{ hits: number; reset: number }> {
  const { rows } = await tx.execute<{ hits: number; reset: number }>(sql`
    insert into rate_limits (bucket, window_start, hits)
    values (${bucket}, date_bin(make_interval(secs => ${windowSeconds}), now(), 'epoch'), 1)
    on conflict (bucket, window_start) do update set hits = rate_limits.hits + 1
    returning hits, ceil(extract(epoch from window_start + make_interval(secs => ${windowSeconds}) - now()))::int as reset`);
  return rows[0] ?? { hits: 1, reset: windowSeconds };
}

/** Takes a hit off the window that now falls in. */
export async function uncountHit(
  tx: Queryable,
  bucket: string,
  windowSeconds: number,
): Promise<void> {
  await tx.execute(sql`
    update rate_limits set hits = hits - 1 where bucket = ${bucket} and hits > 0
      and window_start = date_bin(make_interval(secs => ${windowSeconds}), now(), 'epoch')`);
}

/** Forgets windows that are over. */
export async function deleteOldHits(tx: Queryable): Promise<void> {
  await tx.delete(rateLimits).where(lt(rateLimits.window_start, sql`now() - interval '1 day'`));
}

export async function userExists(tx: Queryable, userId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.id, userId), eq(users.is_active, true)));
  return rows.length === 1;
}
