import type { ResponseOf } from "#shared/contract/endpoint.js";
import type { secondFactor } from "#shared/api/identity/second-factor.js";
import { isoInstant } from "../../../../db/tables/columns.js";
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { AppError, invalidField } from "../../../../errors.js";
import type { Actor } from "../../../../access/authenticate.js";
import { bindingOf, readChallenge, signChallenge } from "../challenges.js";
import { limitFailures } from "../../../../access/rate-limit.js";
import { requireLiveCredential } from "../../../../access/person-lock.js";
import { reauthenticate, requirePassword, requireSession } from "../reauthenticate.js";
import { userExists } from "../auth.queries.js";
import type { SessionOrigin } from "../browser-sessions/sessions.queries.js";
import { purposes, encrypt, decrypt } from "../../../../encrypt.js";
import * as queries from "./second-factor.queries.js";
import type { SignedIn, StartSession } from "../sign-in.js";
import {
  describeTotp,
  hashRecoveryCode,
  isTotpCode,
  newRecoveryCodes,
  newTotpSecret,
  stepOfCode,
} from "./totp.js";

const codeLimit = { hits: 10, seconds: 15 * 60 };

/** Returns the error that requests the second factor after a correct password, if the user has one. */
export async function secondFactorRequired(
  db: Database,
  secret: string,
  account: { user_id: string; password_hash: string },
): Promise<AppError | null> {
  const { user_id: userId, password_hash } = account;
  const state = await db.withSystem("check whether a second factor is on", (tx) =>
    queries.readSecondFactor(tx, userId),
  );
  if (!state || state.totp_since === null) return null;
  return new AppError(
    "second_factor_required",
    "The password is correct; send a code with this challenge to /api/v1/auth/login/second-factor.",
    {
      headers: { "www-authenticate": "Bearer" },
      challenge: signChallenge(secret, "second factor", userId, password_hash).toString(
        "base64url",
      ),
      methods: state.recovery_codes_left > 0 ? ["totp", "recovery_code"] : ["totp"],
    },
  );
}

/** Creates the service that manages the second factor and completes sign-ins with it. */
export function createSecondFactorService(
  db: Database,
  secret: string,
  startSession: StartSession,
) {
  const system = <Result>(work: (tx: Queryable) => Promise<Result>): Promise<Result> =>
    db.withSystem("read a user's second factor", work);
  const systemTx = <Result>(work: (tx: Queryable) => Promise<Result>): Promise<Result> =>
    db.withSystemTx("change a user's second factor", work);

  const stepOf = (userId: string, sealed: Buffer, code: string): number | null => {
    const bytes = decrypt(secret, purposes.totpSecret, userId, sealed);
    if (!bytes) throw unreadable();
    return stepOfCode(bytes, code, Date.now());
  };

  /** Claims a code of either kind, once even under concurrency. */
  const claimCode = async (tx: Queryable, userId: string, code: string): Promise<boolean> => {
    if (!isTotpCode(code)) {
      return queries.claimRecoveryCode(
        tx,
        userId,
        hashRecoveryCode(db.verificationKey, userId, code),
      );
    }
    const totp = await queries.findTotp(tx, userId);
    const step = totp?.confirmed ? stepOf(userId, totp.sealed_secret, code) : null;
    return step !== null && queries.claimStep(tx, userId, step);
  };
  /** Each kind of code has its own limit: guessing six digits does not block recovery codes. */
  const limited = <Result>(userId: string, code: string, attempt: () => Promise<Result>) =>
    limitFailures(db, `${isTotpCode(code) ? "totp" : "recovery"} ${userId}`, codeLimit, attempt);

  const freshCodes = (userId: string): { codes: string[]; hashes: Buffer[] } => {
    const codes = newRecoveryCodes();
    return {
      codes,
      hashes: codes.map((code) => hashRecoveryCode(db.verificationKey, userId, code)),
    };
  };

  return {
    read: async (userId: string): Promise<ResponseOf<(typeof secondFactor)["get"]>> => {
      const state = await system((tx) => queries.readSecondFactor(tx, userId));
      const since = state?.totp_since ?? null;
      return {
        totp: since !== null,
        totp_since: since === null ? null : isoInstant(since),
        recovery_codes_left: state?.recovery_codes_left ?? 0,
        has_password: state?.has_password ?? false,
      };
    },

    startTotp: async (actor: Actor, password: string | undefined, issuer: string) => {
      await reauthenticate(db, actor, password);
      const bytes = newTotpSecret();
      const sealed = encrypt(secret, purposes.totpSecret, actor.userId, bytes);
      const email = await system((tx) => queries.findEmail(tx, actor.userId));
      const isKept = await system((tx) => queries.putUnconfirmedTotp(tx, actor.userId, sealed));
      if (!isKept) {
        throw new AppError(
          "second_factor_on",
          "An authenticator app is already set up; remove it to set up another one.",
        );
      }
      return describeTotp(bytes, email ?? "", issuer);
    },

    confirmTotp: async (actor: Actor, code: string): Promise<string[]> => {
      requireSession(actor);
      const { userId } = actor;
      return limited(userId, code, async () => {
        const totp = await system((tx) => queries.findTotp(tx, userId));
        if (!totp || totp.confirmed) throw nothingToConfirm();
        const step = stepOf(userId, totp.sealed_secret, code);
        if (step === null) throw wrongCode();
        const { codes, hashes } = freshCodes(userId);
        await systemTx(async (tx) => {
          await requireLiveCredential(tx, actor);
          if (!(await queries.confirmTotp(tx, userId, totp.sealed_secret, step))) {
            throw nothingToConfirm();
          }
          await queries.replaceRecoveryCodes(tx, userId, hashes);
        });
        return codes;
      });
    },

    removeTotp: async (
      actor: Actor,
      proof: { code?: string | undefined; password?: string | undefined },
    ): Promise<void> => {
      requireSession(actor);
      const { userId } = actor;
      const { code, password } = proof;
      if (code !== undefined && password !== undefined) {
        throw invalidField("code", "is not needed with the password; send one of them");
      }
      if (!(await system((tx) => queries.findTotp(tx, userId)))?.confirmed) throw isOff();
      if (password !== undefined) await requirePassword(db, userId, password);
      else if (code === undefined) throw invalidField("code", "or password is required", "missing");
      else {
        await limited(userId, code, async () => {
          if (!(await system((tx) => claimCode(tx, userId, code)))) throw wrongCode();
        });
      }
      await systemTx((tx) => queries.deleteTotp(tx, userId));
    },

    renewRecoveryCodes: async (actor: Actor, password: string | undefined): Promise<string[]> => {
      await reauthenticate(db, actor, password);
      const { codes, hashes } = freshCodes(actor.userId);
      const isDone = await systemTx((tx) => queries.replaceRecoveryCodes(tx, actor.userId, hashes));
      if (!isDone) throw isOff();
      return codes;
    },

    login: async (challenge: string, code: string, origin: SessionOrigin): Promise<SignedIn> => {
      const claims = readChallenge(secret, "second factor", challenge);
      const userId = claims?.userId;
      if (!claims || !userId) throw challengeExpired();
      return limited(userId, code, () =>
        startSession(userId, origin, async (tx) => {
          if (!(await queries.claimChallenge(tx, claims))) throw challengeExpired();
          if (!(await userExists(tx, userId))) throw challengeExpired();
          // A password change after the password was checked invalidates the sign-in.
          const password = await queries.findPasswordHash(tx, userId);
          if (!claims.binding.equals(bindingOf(secret, password ?? ""))) throw challengeExpired();
          // A wrong code rolls the transaction back, which keeps the challenge unclaimed.
          if (!(await claimCode(tx, userId, code))) throw invalidCode();
        }),
      );
    },
  };
}

/** The authenticator app was set up under another secret of the installation. */
function unreadable(): AppError {
  return new AppError(
    "second_factor_unreadable",
    "Your authenticator app was set up under another secret of this server (OMOI_SECRET), so codes cannot be checked; ask the operator to restore that secret.",
  );
}

function wrongCode(): AppError {
  return invalidField("code", "is wrong or was already used; wait for the next code", "wrong");
}

function invalidCode(): AppError {
  return new AppError(
    "invalid_code",
    "The code is wrong or was already used; wait for the next code.",
    { headers: { "www-authenticate": "Bearer" } },
  );
}

function nothingToConfirm(): AppError {
  return new AppError(
    "second_factor_off",
    "No authenticator app is waiting for its first code; start the setup again.",
  );
}

function isOff(): AppError {
  return new AppError("second_factor_off", "No authenticator app is set up.");
}

/** The error for an expired, answered or invalid challenge. */
export function challengeExpired(): AppError {
  return new AppError("challenge_expired", "The sign-in took too long; start again.", {
    headers: { "www-authenticate": "Bearer" },
  });
}
