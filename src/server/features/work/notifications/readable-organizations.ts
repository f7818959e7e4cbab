import { permissionsOfNotification } from "#shared/work/notification-kinds.js";
import { allows, allowsAny, type Access } from "../../../access/access.js";
import { resolveAccess } from "../../../access/authorize.js";
import type { Database } from "../../../db/connection/connect.js";
import type { NotificationData } from "./notification.js";

interface Readable {
  org_id: string | null;
  type: string;
  data: NotificationData;
}

/** Returns a function that tells whether the person may read what a notification is about. */
export async function readableOrganizations(
  db: Database,
  userId: string,
  rows: readonly Readable[],
): Promise<(row: Readable) => boolean> {
  const person = { kind: "user", userId, agent: null, session: null, key: null } as const;
  const accesses = new Map<string, Access | null>();
  for (const { org_id } of rows) {
    if (org_id === null || accesses.has(org_id)) continue;
    accesses.set(org_id, await resolveAccess(db, person, "org_id", org_id));
  }
  return ({ org_id, type, data }) => {
    if (org_id === null) return true;
    const access = accesses.get(org_id);
    return access != null && mayRead(access, type, data);
  };
}

/** Whether a member may read what a notification is about. */
export function mayRead(access: Access, type: string, { limit }: NotificationData): boolean {
  const owner = limit?.owner ?? "organization";
  return (
    permissionsOfNotification(type).every((needed) => allowsAny(access, [needed].flat())) &&
    (owner === "organization" || allows(access, `${owner}:read`))
  );
}
