import { sql } from "drizzle-orm";
import { readAccess } from "../../../../access/current-access.js";
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { AppError } from "../../../../errors.js";
import { listAwaitingApproval } from "../../../code/workspaces/index.js";
import type { NotificationData, StoredNotification } from "../notification.js";
import { mayRead } from "../readable-organizations.js";

const NO_ACCESS = "You have no access to it any more.";
const IS_OVER = "It was over before it was sent.";
const MAX_APPROVALS = 10_000;

/**
 * Decides at the time of sending which notifications a person still gets. Returns why each of the others is skipped, by
 * id: the person may not read it any more, or it needs the person no more.
 */
export async function judgeNotifications(
  db: Database,
  userId: string,
  notifications: readonly StoredNotification[],
): Promise<Map<string, string>> {
  const skipped = new Map<string, string>();
  const orgIds = new Set(notifications.map(({ org_id }) => org_id));
  for (const orgId of orgIds) {
    const own = notifications.filter(({ org_id }) => org_id === orgId);
    const reasons =
      orgId === null
        ? await db.withSystemTx("read keys that expire", (tx) => judgePersonal(tx, userId, own))
        : await judgeOrganization(db, userId, orgId, own);
    for (const [id, reason] of reasons) skipped.set(id, reason);
  }
  return skipped;
}

type Reasons = Iterable<readonly [id: string, reason: string]>;

async function judgePersonal(
  tx: Queryable,
  userId: string,
  notifications: readonly StoredNotification[],
): Promise<Reasons> {
  const { rows } = await tx.execute<{ is_active: boolean }>(
    sql`select is_active and deleted_at is null as is_active from users where id = ${userId}`,
  );
  const keys = await listActiveKeys(tx, notifications);
  return notifications.flatMap(({ id, type, data }): [string, string][] => {
    if (rows[0]?.is_active !== true) return [[id, NO_ACCESS]];
    const isOver = type === "api_key.expiring" && !keys.has(data.subject?.id ?? "");
    return isOver ? [[id, IS_OVER]] : [];
  });
}

async function judgeOrganization(
  db: Database,
  userId: string,
  orgId: string,
  notifications: readonly StoredNotification[],
): Promise<Reasons> {
  const person = { userId, agent: null, session: null, key: null };
  const found = await db.read(orgId, async (tx) => {
    const access = await readAccess(tx, person, orgId).catch((error: unknown) => {
      // The account is disabled.
      if (error instanceof AppError) return null;
      throw error;
    });
    return (
      access && {
        access,
        projects: await listProjects(tx, notifications),
        waiting: await listWaiting(tx, orgId, userId, notifications),
      }
    );
  });
  if (!found || found.access.archived) return notifications.map(({ id }) => [id, NO_ACCESS]);
  const keys = await db.withSystem("read keys that expire", (tx) =>
    listActiveKeys(tx, notifications),
  );
  const { access, projects, waiting } = found;
  return notifications.flatMap(({ id, type, data }): [string, string][] => {
    const project = projectOf(data);
    if (!mayRead(access, type, data) || (project !== undefined && !projects.has(project)))
      return [[id, NO_ACCESS]];
    const subject = data.subject?.id ?? "";
    const isOver =
      (type === "api_key.expiring" && !keys.has(subject)) ||
      ((type === "session.waiting_for_permission" ||
        type === "merge_request.waiting_for_approval") &&
        !waiting.has(subject));
    return isOver ? [[id, IS_OVER]] : [];
  });
}

function projectOf({ run, session, conflict, merge_request }: NotificationData) {
  return (run ?? session ?? conflict ?? merge_request)?.project_id;
}

/** Lists the projects of notifications that still exist. */
async function listProjects(
  tx: Queryable,
  notifications: readonly StoredNotification[],
): Promise<Set<string>> {
  const wanted = [...new Set(notifications.flatMap(({ data }) => projectOf(data) ?? []))];
  const { rows } = await tx.execute<{ id: string }>(sql`
    select id from projects where id = any(${sql.param(wanted)}::uuid[]) and deleted_at is null`);
  return new Set(rows.map(({ id }) => id));
}

/** Lists the sessions that still wait, and the merge requests that the person may still approve. */
async function listWaiting(
  tx: Queryable,
  orgId: string,
  userId: string,
  notifications: readonly StoredNotification[],
): Promise<Set<string>> {
  const idsOf = (wanted: string): string[] =>
    notifications.flatMap(({ type, data }) => (type === wanted ? (data.subject?.id ?? []) : []));
  const sessions = idsOf("session.waiting_for_permission");
  const merges = idsOf("merge_request.waiting_for_approval");
  const { rows } = await tx.execute<{ id: string }>(sql`
    select id from agent_sessions where id = any(${sql.param(sessions)}::uuid[])
      and status = 'waiting_for_permission'`);
  const only = merges.map((id) => `merge_request:${id}`);
  const requests =
    only.length === 0
      ? []
      : await listAwaitingApproval(tx, orgId, userId, { only, except: [] }, MAX_APPROVALS);
  return new Set([
    ...rows.map(({ id }) => id),
    ...requests.map(({ merge_request_id }) => merge_request_id),
  ]);
}

/** Lists the keys of notifications that are in force and have no successor. */
async function listActiveKeys(
  tx: Queryable,
  notifications: readonly StoredNotification[],
): Promise<Set<string>> {
  const wanted = notifications.flatMap(({ type, data }) =>
    type === "api_key.expiring" ? (data.subject?.id ?? []) : [],
  );
  if (wanted.length === 0) return new Set();
  const { rows } = await tx.execute<{ id: string }>(sql`
    select id from api_keys where id = any(${sql.param(wanted)}::uuid[]) and revoked_at is null
      and replaced_by is null and expires_at > now()`);
  return new Set(rows.map(({ id }) => id));
}
