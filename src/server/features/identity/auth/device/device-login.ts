import type { deviceLogin, DeviceLoginRequest } from "#shared/api/identity/device-login.js";
import type { ResponseOf } from "#shared/contract/endpoint.js";
import { callerNetwork } from "#shared/node/networks.js";
import type { Actor } from "../../../../access/authenticate.js";
import { limitFailures, limitHits } from "../../../../access/rate-limit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import type { ActorContext, PublicContext } from "../../../../http/requests/request-context.js";
import { createKey, type KeyDeps, resolveExpiry } from "../../api-keys/index.js";
import { requireLiveCredential } from "../../../../access/person-lock.js";
import { originOf } from "../browser-sessions/session-cookie.js";
import { hashCode, newDeviceCode, newUserCode, shownUserCode } from "./device-codes.js";
import * as queries from "./device-login.queries.js";

/** Seconds. */
const timing = { lifetime: 15 * 60, interval: 5 };
/** An address has at most twice as many open requests, in two adjacent windows. */
const startLimit = { hits: 30, seconds: timing.lifetime };
const guessLimit = { hits: 20, seconds: 15 * 60 };
const networkGuessLimit = { hits: 100, seconds: 15 * 60 };
const defaultKeyDays = 90;

export function createDeviceLogin(keys: KeyDeps) {
  const { db, publicUrl } = keys;
  const { maxKeyDays } = keys.settings;
  const hash = (kind: "device" | "user", code: string): Buffer =>
    hashCode(db.verificationKey, kind, code);

  const shown = (userCode: string, request: queries.FoundRequest): DeviceLoginRequest => ({
    user_code: shownUserCode(userCode),
    ...request,
  });

  const answer = (
    context: ActorContext,
    userCode: string,
    change: Parameters<typeof queries.answerRequest>[2],
  ): Promise<DeviceLoginRequest> =>
    db.withSystemTx("answer a device login", async (tx) => {
      await requireLiveCredential(tx, context.actor);
      const codeHash = hash("user", userCode);
      const answered = await queries.answerRequest(tx, codeHash, change);
      if (answered) return shown(userCode, answered);
      const own = await queries.findRequest(tx, codeHash, context.actor.userId);
      if (!own) throw notFound();
      throw new AppError(
        "device_login_answered",
        `You have ${own.status} this request; start again in the program to change that.`,
      );
    });

  return {
    /** Opens a request. @throws AppError 429 */
    start: async (
      { request }: PublicContext,
      clientName: string | null,
    ): Promise<ResponseOf<(typeof deviceLogin)["start"]>> => {
      await limitHits(db, `device login ${callerNetwork(request.ip)}`, startLimit);
      const deviceCode = newDeviceCode();
      const userCode = await db.withSystem("open a device login", (tx) =>
        insertWithNewCode(tx, (code) => ({
          id: newId(),
          device_code_hash: hash("device", deviceCode),
          user_code_hash: hash("user", code),
          client_name: clientName,
          ...originOf(request),
        })),
      );
      const uri = new URL("/device", publicUrl()).href;
      return {
        device_code: deviceCode,
        user_code: userCode,
        verification_uri: uri,
        verification_uri_complete: `${uri}?code=${userCode}`,
        expires_in: timing.lifetime,
        interval: timing.interval,
      };
    },

    /**
     * Creates the key of an approved request and returns it, once.
     * @throws AppError 400 with the code and the member `error` of RFC 8628, section 3.5
     */
    fetchKey: async (
      { ip, requestId }: PublicContext,
      deviceCode: string,
    ): Promise<ResponseOf<(typeof deviceLogin)["token"]>> => {
      const polled = await db.withSystem("poll a device login", (tx) =>
        queries.pollRequest(tx, hash("device", deviceCode)),
      );
      if (!polled) throw expired();
      const { id, status, client_name, user_id, session_id, key_days } = polled;
      if (status === "pending") throw pending(polled);
      if (status === "denied" || user_id === null || session_id === null) throw denied();
      const actor: Actor = {
        kind: "user",
        userId: user_id,
        agent: null,
        session: { id: session_id },
        key: null,
      };
      const input = {
        name: client_name === null ? "omoi" : `omoi on ${client_name}`,
        scopes: ["*:*"],
        expires_in_days: key_days,
      };
      let user: Awaited<ReturnType<typeof queries.takeApproved>>;
      const { key, ...api_key } = await createKey(
        keys,
        { actor, ip, requestId },
        input,
        async (tx) => {
          user = await queries.takeApproved(tx, id);
          if (!user) throw expired();
        },
      ).catch(deniedIfSignedOut);
      if (!user) throw expired();
      return { key, api_key, user };
    },

    /** Finds a request that is pending, or that the caller answered. @throws AppError 403; 404; 429 */
    read: async (context: ActorContext, userCode: string): Promise<DeviceLoginRequest> => {
      requireOwnSession(context.actor);
      return guarded(db, context, async () => {
        const found = await db.withSystem("find a device login", (tx) =>
          queries.findRequest(tx, hash("user", userCode), context.actor.userId),
        );
        if (!found) throw notFound();
        return shown(userCode, found);
      });
    },

    /** @throws AppError 403; 404; 409 `device_login_answered`; 422; 429 */
    approve: async (
      context: ActorContext,
      userCode: string,
      days: number | undefined,
    ): Promise<DeviceLoginRequest> => {
      const session_id = requireOwnSession(context.actor);
      const key_days = days ?? Math.min(defaultKeyDays, maxKeyDays || defaultKeyDays);
      resolveExpiry({ expires_in_days: key_days }, maxKeyDays);
      const { userId } = context.actor;
      const change = { status: "approved", user_id: userId, session_id, key_days } as const;
      return guarded(db, context, () => answer(context, userCode, change));
    },

    /** @throws AppError 403; 404; 409 `device_login_answered`; 429 */
    deny: async (context: ActorContext, userCode: string): Promise<DeviceLoginRequest> => {
      requireOwnSession(context.actor);
      const change = { status: "denied", user_id: context.actor.userId } as const;
      return guarded(db, context, () => answer(context, userCode, change));
    },

    deleteExpired: (): Promise<void> =>
      db.withSystem("delete expired device logins", queries.deleteExpiredRequests),
  };
}

/** Runs an attempt with a user code under the limits of wrong codes. Other errors are no guesses. */
async function guarded<Result>(
  db: KeyDeps["db"],
  { actor, ip }: ActorContext,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const unlessNotFound = (error: unknown): { error: unknown } => {
    if (error instanceof AppError && error.code === "not_found") throw error;
    return { error };
  };
  const outcome = await limitFailures(db, `device code ${actor.userId}`, guessLimit, () =>
    limitFailures(db, `device codes ${callerNetwork(ip)}`, networkGuessLimit, () =>
      attempt().then((result) => ({ result }), unlessNotFound),
    ),
  );
  if ("error" in outcome) throw outcome.error;
  return outcome.result;
}

type NewRequest = Parameters<typeof queries.insertRequest>[1];

/** Inserts a request under a user code that is not in use, and returns the code. */
async function insertWithNewCode(
  tx: Queryable,
  requestOf: (userCode: string) => NewRequest,
): Promise<string> {
  for (let tries = 0; tries < 5; tries += 1) {
    const userCode = newUserCode();
    if (await queries.insertRequest(tx, requestOf(userCode), timing)) return userCode;
  }
  throw new Error("no user code is free");
}

/** @throws AppError 403 `session_required` */
function requireOwnSession({ session }: Actor): string {
  if (session) return session.id;
  throw new AppError(
    "session_required",
    "A device login is answered by a person in a session, not with an API key; sign in first.",
  );
}

/** Answers as RFC 8628 names the errors; the member `error` is for its clients. */
function flowError(
  code: "authorization_pending" | "slow_down" | "access_denied" | "expired_token",
  detail: string,
  interval?: number,
): AppError {
  return new AppError(code, detail, {
    error: code,
    ...(interval !== undefined && { interval }),
  });
}

function pending({ is_early, poll_interval }: { is_early: boolean; poll_interval: number }) {
  return is_early
    ? flowError("slow_down", `Wait ${poll_interval} seconds before you ask again.`, poll_interval)
    : flowError(
        "authorization_pending",
        `The request waits for an answer; ask again in ${poll_interval} seconds.`,
        poll_interval,
      );
}

function denied(): AppError {
  return flowError("access_denied", "The request was denied; start again to ask once more.");
}

function expired(): AppError {
  return flowError(
    "expired_token",
    "The code is unknown, was used or has expired; start again to get a new one.",
  );
}

/** An approval ends with the session of the person who gave it. */
function deniedIfSignedOut(error: unknown): never {
  if (error instanceof AppError && error.code === "invalid_token") {
    throw flowError(
      "access_denied",
      "The session that approved the request has ended; start again and stay signed in.",
    );
  }
  throw error;
}
