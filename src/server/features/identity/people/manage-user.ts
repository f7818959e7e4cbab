import type { AdminUserDetail, PasswordLink } from "#shared/api/operation/admin.js";
import type { InstallationAction } from "#shared/organization/installation-audit.js";
import {
  recordInstallationEvent,
  type InstallationChange,
  type InstallationOrigin,
} from "../../../db/audit/installation-audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import type { AuditWriterOf } from "../../../db/connection/system-change.js";
import { AppError, notFound } from "../../../errors.js";
import { endSessions, issuePasswordToken, removeSecondFactors } from "../auth/index.js";
import { lockUser } from "../../../access/person-lock.js";
import { findUser, lockSuperAdmins, setFlags } from "./people.queries.js";

/**
 * Dependencies of user management: the server takes them from a request, the command line from the
 * database.
 */
export interface AdminContext {
  readonly origin: InstallationOrigin;
  /** Runs a transaction that sees all organizations and writes to their logs. */
  readonly change: <Result>(
    work: (tx: Queryable, audit: AuditWriterOf) => Promise<Result>,
  ) => Promise<Result>;
  readonly verificationKey: string;
  /** Without a trailing slash. */
  readonly publicUrl: string;
}

/** Identifies a user by id or email address. */
export type UserReference = { id: string } | { email: string };

/**
 * Reads a user.
 * @throws AppError 404
 */
export async function readUser(tx: Queryable, by: UserReference): Promise<AdminUserDetail> {
  const user = await findUser(tx, by);
  if (!user) throw notFound();
  return user;
}

/**
 * Disables a user: ends all sessions and rejects passwords and keys until the user is enabled.
 * @throws AppError 404; 409 `last_super_admin`
 */
export function disableUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.disabled", async (tx, user) => {
    if (!user.is_active) return {};
    await requireRemainingSuperAdmin(tx, user);
    await setFlags(tx, user.id, { is_active: false });
    await endSessions(tx, user.id);
    return { is_active: { from: true, to: false } };
  });
}

/**
 * Enables a user, whose keys work again.
 * @throws AppError 404
 */
export function enableUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.enabled", async (tx, user) => {
    if (user.is_active) return {};
    await setFlags(tx, user.id, { is_active: true });
    return { is_active: { from: false, to: true } };
  });
}

/**
 * Makes a user a super admin.
 * @throws AppError 404; 409 `user_disabled`
 */
export function promoteUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.promoted", async (tx, user) => {
    if (user.is_super_admin) return {};
    requireEnabled(user);
    await setFlags(tx, user.id, { is_super_admin: true });
    return { is_super_admin: { from: false, to: true } };
  });
}

/**
 * Revokes a user's super admin rights.
 * @throws AppError 404; 409 `last_super_admin`
 */
export function demoteUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.demoted", async (tx, user) => {
    if (!user.is_super_admin) return {};
    await requireRemainingSuperAdmin(tx, user);
    await setFlags(tx, user.id, { is_super_admin: false });
    return { is_super_admin: { from: true, to: false } };
  });
}

/**
 * Ends all sessions of a user.
 * @throws AppError 404
 */
export function signOutUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.signed_out", async (tx, user) => {
    await endSessions(tx, user.id);
    return user.sessions === 0 ? {} : { sessions: { from: user.sessions, to: 0 } };
  });
}

/**
 * Removes a user's authenticator app, recovery codes and passkeys, so that the password alone signs in.
 * @throws AppError 404
 */
export function removeSecondFactor(
  context: AdminContext,
  by: UserReference,
): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.second_factor_removed", async (tx, user) => {
    if (!user.has_second_factor) return {};
    await removeSecondFactors(tx, user.id);
    return { has_second_factor: { from: true, to: false } };
  });
}

/**
 * Creates a single-use link for choosing a new password; earlier links stop working.
 * @throws AppError 404; 409 `user_disabled`
 */
export async function resetUserPassword(
  context: AdminContext,
  by: UserReference,
): Promise<PasswordLink> {
  return context.change(async (tx) => {
    const user = await lockUserDetail(tx, by);
    requireEnabled(user);
    const { token, expires_at } = await issuePasswordToken(tx, context.verificationKey, user);
    await recordInstallationEvent(tx, context.origin, {
      action: "user.password_reset",
      target: userTarget(user),
      changes: {},
    });
    return { reset_url: `${context.publicUrl}/reset-password?token=${token}`, expires_at };
  });
}

/** Changes a user and records the change, unless it changes nothing. */
async function changeUser(
  { change, origin }: AdminContext,
  by: UserReference,
  action: InstallationAction,
  work: (tx: Queryable, user: AdminUserDetail) => Promise<InstallationChange["changes"]>,
): Promise<AdminUserDetail> {
  return change(async (tx) => {
    const user = await lockUserDetail(tx, by);
    const changes = await work(tx, user);
    if (Object.keys(changes).length > 0) {
      await recordInstallationEvent(tx, origin, { action, target: userTarget(user), changes });
    }
    return readUser(tx, { id: user.id });
  });
}

/**
 * Locks a user's row and reads the user.
 * @throws AppError 404
 */
export async function lockUserDetail(tx: Queryable, by: UserReference): Promise<AdminUserDetail> {
  const { id } = await readUser(tx, by);
  // Locked before the user, so that two admins who disable each other cannot deadlock.
  await lockSuperAdmins(tx);
  await lockUser(tx, id);
  return readUser(tx, { id });
}

/** Returns the target of an audit event about a user. */
export function userTarget({ id, email }: Pick<AdminUserDetail, "id" | "email">) {
  return { type: "user", id, name: email } as const;
}

/** @throws AppError 409 `last_super_admin` when the user is the only active super admin */
export async function requireRemainingSuperAdmin(
  tx: Queryable,
  user: Pick<AdminUserDetail, "id" | "is_super_admin" | "is_active">,
): Promise<void> {
  if (!user.is_super_admin || !user.is_active) return;
  const others = (await lockSuperAdmins(tx)).filter((id) => id !== user.id);
  if (others.length > 0) return;
  throw new AppError(
    "last_super_admin",
    "This is the only super admin who can sign in; promote another user first.",
  );
}

function requireEnabled({ is_active, email }: AdminUserDetail): void {
  if (is_active) return;
  throw new AppError("user_disabled", `${email} is disabled; enable the user first.`);
}
