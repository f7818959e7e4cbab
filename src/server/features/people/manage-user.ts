import type { AdminUserDetail, PasswordLink } from "#shared/api/admin.js";
import type { InstallationAction } from "#shared/installation-audit.js";
import {
  recordInstallationEvent,
  type InstallationChange,
  type InstallationOrigin,
} from "../../db/audit/installation-audit.js";
import type { Queryable } from "../../db/connection/connect.js";
import type { AuditWriterOf } from "../../db/connection/system-change.js";
import { AppError, notFound } from "../../errors.js";
import { endSessions, issuePasswordToken, lockUser, removeSecondFactors } from "../auth/index.js";
import { findUser, lockSuperAdmins, setFlags } from "./people.queries.js";

/** What acts on users need: the server has it from a request, the command line from the database itself. */
export interface AdminContext {
  readonly origin: InstallationOrigin;
  /** A transaction that sees all organizations and writes to their logs. */
  readonly change: <Result>(
    work: (tx: Queryable, audit: AuditWriterOf) => Promise<Result>,
  ) => Promise<Result>;
  readonly verificationKey: string;
  /** Without a slash at the end. */
  readonly publicUrl: string;
}

/** Which user: by the id, or by the email address. */
export type UserReference = { id: string } | { email: string };

/** Reads a user. @throws AppError 404 */
export async function readUser(tx: Queryable, by: UserReference): Promise<AdminUserDetail> {
  const user = await findUser(tx, by);
  if (!user) throw notFound();
  return user;
}

/**
 * Disables a user: sessions end, and neither a password nor a key opens the account until it is enabled.
 * @throws AppError 404; 409 `last_super_admin`
 */
export function disableUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.disabled", async (tx, user) => {
    if (!user.is_active) return {};
    await keepASuperAdmin(tx, user);
    await setFlags(tx, user.id, { is_active: false });
    await endSessions(tx, user.id);
    return { is_active: { from: true, to: false } };
  });
}

/** Enables a user; keys work again. @throws AppError 404 */
export function enableUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.enabled", async (tx, user) => {
    if (user.is_active) return {};
    await setFlags(tx, user.id, { is_active: true });
    return { is_active: { from: false, to: true } };
  });
}

/** Makes a user a super admin. @throws AppError 404; 409 `user_disabled` */
export function promoteUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.promoted", async (tx, user) => {
    if (user.is_super_admin) return {};
    refuseDisabled(user);
    await setFlags(tx, user.id, { is_super_admin: true });
    return { is_super_admin: { from: false, to: true } };
  });
}

/** Takes the super admin's rights from a user. @throws AppError 404; 409 `last_super_admin` */
export function demoteUser(context: AdminContext, by: UserReference): Promise<AdminUserDetail> {
  return changeUser(context, by, "user.demoted", async (tx, user) => {
    if (!user.is_super_admin) return {};
    await keepASuperAdmin(tx, user);
    await setFlags(tx, user.id, { is_super_admin: false });
    return { is_super_admin: { from: true, to: false } };
  });
}

/** Ends all sessions of a user. @throws AppError 404 */
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
 * Makes a link by which a user chooses a new password, once; the link before it does not work any more.
 * @throws AppError 404; 409 `user_disabled`
 */
export async function resetUserPassword(
  context: AdminContext,
  by: UserReference,
): Promise<PasswordLink> {
  return context.change(async (tx) => {
    const user = await lockedUser(tx, by);
    refuseDisabled(user);
    const { token, expires_at } = await issuePasswordToken(tx, context.verificationKey, user);
    await recordInstallationEvent(tx, context.origin, {
      action: "user.password_reset",
      target: targetOf(user),
      changes: {},
    });
    return { reset_url: `${context.publicUrl}/reset-password?token=${token}`, expires_at };
  });
}

/** Changes a user and records it; a change that changes nothing is not recorded. */
async function changeUser(
  { change, origin }: AdminContext,
  by: UserReference,
  action: InstallationAction,
  work: (tx: Queryable, user: AdminUserDetail) => Promise<InstallationChange["changes"]>,
): Promise<AdminUserDetail> {
  return change(async (tx) => {
    const user = await lockedUser(tx, by);
    const changes = await work(tx, user);
    if (Object.keys(changes).length > 0) {
      await recordInstallationEvent(tx, origin, { action, target: targetOf(user), changes });
    }
    return readUser(tx, { id: user.id });
  });
}

/** A user as it is once its row is locked. @throws AppError 404 */
export async function lockedUser(tx: Queryable, by: UserReference): Promise<AdminUserDetail> {
  const { id } = await readUser(tx, by);
  // Before the person: two admins who disable each other wait for one another in one order.
  await lockSuperAdmins(tx);
  await lockUser(tx, id);
  return readUser(tx, { id });
}

/** The target of an event about a user. */
export function targetOf({ id, email }: Pick<AdminUserDetail, "id" | "email">) {
  return { type: "user", id, name: email } as const;
}

/** @throws AppError 409 `last_super_admin` where the user is the only one who may sign in */
export async function keepASuperAdmin(
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

function refuseDisabled({ is_active, email }: AdminUserDetail): void {
  if (is_active) return;
  throw new AppError("user_disabled", `${email} is disabled; enable the user first.`);
}
