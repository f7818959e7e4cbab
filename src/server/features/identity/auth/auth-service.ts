import { hash, verify } from "@node-rs/argon2";
import type { User } from "#shared/api/identity/auth.js";
import { batched } from "../../../db/locks/batch.js";
import { cached } from "../../../db/cache/cache.js";
import { violatedConstraint, type Database } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import { invalidToken, type Actor } from "../../../access/authenticate.js";
import { callerNetwork } from "#shared/node/networks.js";
import type { Jobs } from "../../../jobs/queue.js";
import { limitHits } from "../../../access/rate-limit.js";
import { limitLogin } from "./limit-login.js";
import { lockUser } from "../../../access/person-lock.js";
import { rejectGuessablePassword } from "./passwords/password-rules.js";
import * as rateLimits from "../../../access/rate-limit.queries.js";
import * as queries from "./auth.queries.js";
import * as sessions from "./browser-sessions/sessions.queries.js";
import { deleteExpiredChallenges } from "./totp/second-factor.queries.js";
import { secondFactorRequired } from "./totp/second-factor.js";
import type { SignedIn, StartSession } from "./sign-in.js";
import { signToken, verifyToken, type TokenKind } from "./browser-sessions/tokens.js";

const accessSeconds = 15 * 60;
const sessionSeconds = 30 * 24 * 60 * 60;
const keptSessionMs = 10 * 60 * 1000;
const signUpLimit = { hits: 30, seconds: 60 * 60 };

export interface AuthService {
  register(input: {
    email: string;
    password: string;
    full_name?: string | null | undefined;
    invitation?: string | null | undefined;
    ip: string;
  }): Promise<User>;
  login(email: string, password: string, origin: sessions.SessionOrigin): Promise<SignedIn>;
  /** Starts a session for a user who was authenticated by other means. */
  startSession: StartSession;
  refresh(token: string, kind: "refresh" | "cookie"): Promise<SignedIn>;
  endSession(userId: string, sessionId: string): Promise<boolean>;
  /**
   * Authenticates a session token.
   * @throws AppError 401
   */
  actorOf(kind: TokenKind, token: string): Promise<Actor>;
}

export function createAuthService(
  db: Database,
  settings: { secret: string; registration: "open" | "invite" | "closed" },
  deps: {
    jobs: Jobs;
    /** Whether a token belongs to an open invitation of the address. */
    isInvited: (token: string, email: string) => Promise<boolean>;
  },
): AuthService {
  const { secret } = settings;
  const readSession = batched((ids) =>
    db.withSystem("check sessions", (tx) => sessions.findLiveSessions(tx, ids)),
  );
  const liveSession = cached({
    changes: db.changes,
    load: async (sessionId) => {
      const session = await readSession(sessionId);
      return (
        session && {
          value: session,
          // An idle session is not cached, so that the next request marks it as used and extends it.
          sources: session.idle ? null : [`session ${session.id}`, `user ${session.user_id}`],
          until: Math.min(session.expires_at.getTime(), Date.now() + keptSessionMs),
        }
      );
    },
  });
  // Verified for unknown addresses, so that they take as long as a wrong password.
  const dummyHash = hash("a password that nobody has");

  const signedIn = (sessionId: string, generation: number): SignedIn => {
    const now = Math.floor(Date.now() / 1000);
    const sign = (kind: TokenKind, seconds: number): string =>
      signToken(secret, kind, { sessionId, generation, expires: now + seconds });
    return {
      tokens: {
        access_token: sign("access", accessSeconds),
        refresh_token: sign("refresh", sessionSeconds),
        token_type: "bearer",
        expires_in: accessSeconds,
      },
      cookie: sign("cookie", 10 * 365 * 24 * 60 * 60),
    };
  };
  const sessionEnd = (): string => new Date(Date.now() + sessionSeconds * 1000).toISOString();
  const startSession: StartSession = async (userId, origin, claim) => {
    const sessionId = await db.withSystemTx("start a session", async (tx) => {
      await lockUser(tx, userId);
      await claim?.(tx);
      return sessions.insertSession(tx, userId, origin, sessionEnd());
    });
    return signedIn(sessionId, 0);
  };

  return {
    register: async ({ email, password, full_name, invitation, ip }) => {
      await limitHits(db, `sign-up ${callerNetwork(ip)}`, signUpLimit);
      const { registration } = settings;
      const onlyFirst =
        registration === "closed" ||
        (registration === "invite" && !(invitation && (await deps.isInvited(invitation, email))));
      if (onlyFirst && (await hasUsers(db))) throw registrationClosed(registration);
      rejectGuessablePassword(password, email, "password");
      const passwordHash = await hash(password);
      try {
        const input = { email, full_name: full_name ?? null };
        const user = await db.withSystemTx("register a user", async (tx) => {
          const inserted = await queries.insertUser(tx, input, onlyFirst);
          if (inserted) await queries.setPassword(tx, inserted.id, passwordHash);
          return inserted;
        });
        if (!user) throw registrationClosed(registration);
        await deps.jobs.send("send-link", { purpose: "verify", email });
        return user;
      } catch (error) {
        if (violatedConstraint(error) !== "users_email_key") throw error;
        throw new AppError(
          "email_taken",
          "An account with this email address already exists; sign in instead.",
        );
      }
    },

    login: async (email, password, origin) => {
      const found = await db.withSystem("log in", (tx) => queries.findPassword(tx, email));
      const account = await limitLogin(db, email, origin.ip, async () => {
        const matches = await verify(found?.password_hash ?? (await dummyHash), password);
        if (!found || !matches) throw wrongCredentials();
        return found;
      });
      const required = await secondFactorRequired(db, secret, account);
      if (required) throw required;
      const { user_id, password_hash } = account;
      return startSession(user_id, origin, async (tx) => {
        // The password changed after it was checked. The change ended all sessions, so this one must
        // not start.
        if (!(await queries.lockPassword(tx, user_id, password_hash))) throw wrongCredentials();
      });
    },

    startSession,

    refresh: async (token, kind) => {
      const claims = verifyToken(secret, kind, token);
      // Read from the database, because the generation decides.
      const session = claims && (await readSession(claims.sessionId));
      if (!claims || !session) throw invalidToken();
      const generation = kind === "cookie" ? session.generation : claims.generation;
      const rotated = await db.withSystem("refresh a session", (tx) =>
        sessions.rotateSession(tx, session.id, generation, sessionEnd()),
      );
      if (rotated) return signedIn(session.id, generation + 1);
      // A used refresh token was replayed. Either copy may be stolen, so the session ends for both.
      if (kind === "refresh") {
        await db.withSystem("end a session whose refresh token was replayed", (tx) =>
          sessions.revokeSession(tx, session.user_id, session.id),
        );
      }
      throw invalidToken();
    },

    endSession: (userId, sessionId) =>
      db.withSystemTx("end a session", (tx) => sessions.revokeSession(tx, userId, sessionId)),

    actorOf: async (kind, token) => {
      const claims = verifyToken(secret, kind, token);
      const session = claims && (await liveSession(claims.sessionId));
      if (!session) throw invalidToken();
      if (session.idle) {
        await db.withSystem("mark a session as used", (tx) =>
          sessions.touchSession(tx, session.id, sessionEnd()),
        );
      }
      return {
        kind: "user",
        userId: session.user_id,
        agent: null,
        session: { id: session.id },
        key: null,
      };
    },
  };
}

/** Whether a user is a super admin of the installation. */
export async function isSuperAdmin(db: Database, userId: string): Promise<boolean> {
  const user = await db.withSystem("check whether a user is a super admin", (tx) =>
    queries.findUser(tx, userId),
  );
  return user?.is_super_admin ?? false;
}

/** Whether the id belongs to an active person. */
export function userExists(db: Database, userId: string): Promise<boolean> {
  return db.withSystem("find a user by id", (tx) => queries.userExists(tx, userId));
}

function wrongCredentials(): AppError {
  return new AppError("invalid_credentials", "Check the email address and the password.", {
    headers: { "www-authenticate": "Bearer" },
  });
}

function registrationClosed(registration: "open" | "invite" | "closed"): AppError {
  return new AppError(
    "registration_closed",
    registration === "closed"
      ? "Registration is closed; ask the operator of this server for an account."
      : "Registration requires an invitation; open its link and use the address it was sent to.",
  );
}

/** Deletes expired rate-limit counters and used challenges. */
export function deleteExpiredHits(db: Database): Promise<void> {
  return db.withSystem("delete expired hits and challenges", async (tx) => {
    await rateLimits.deleteExpiredHitWindows(tx);
    await deleteExpiredChallenges(tx);
  });
}

export async function hasUsers(db: Database): Promise<boolean> {
  const { rows } = await db.systemPool.query("select from users limit 1");
  return rows.length > 0;
}
