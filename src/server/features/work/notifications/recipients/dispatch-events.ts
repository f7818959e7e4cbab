import { rolesWith } from "../../../../access/current-access.js";
import { kindOfEvent, permissionsOfNotification } from "#shared/work/notification-kinds.js";
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import {
  insertNotifications,
  type NewNotification,
  type PersonalTarget,
} from "./insert-notifications.queries.js";
import * as recipients from "./recipients.queries.js";
import type { QueuedEvent } from "./recipients.queries.js";

const BATCH = 500;

/**
 * Makes notifications of the waiting events. An event is taken in the transaction that records its notifications, so
 * that a crash loses none and repeats none. Returns the webhooks with new deliveries.
 */
export async function dispatchEvents(db: Database): Promise<PersonalTarget[]> {
  const targets = new Map<string, PersonalTarget>();
  for (;;) {
    const { count, found } = await db.withSystemTx("make notifications of events", async (tx) => {
      const events = await recipients.takeEvents(tx, BATCH);
      const inForce = events.filter(({ is_archived }) => !is_archived);
      return { count: events.length, found: await notify(tx, inForce) };
    });
    for (const target of found) targets.set(target.webhook_id, target);
    if (count === 0) return [...targets.values()];
  }
}

async function notify(tx: Queryable, events: readonly QueuedEvent[]): Promise<PersonalTarget[]> {
  if (events.length === 0) return [];
  /** Events of one organization and type have the same listeners. */
  const groups = new Map<string, { roles: readonly string[]; listeners: readonly string[] }>();
  for (const { org_id: orgId, type } of events) {
    const group = `${orgId} ${type}`;
    if (groups.has(group)) continue;
    const roles = await rolesWith(tx, orgId, permissionsOfNotification(type));
    const listeners = await recipients.listListeners(tx, { orgId, type, roles });
    groups.set(group, { roles, listeners });
  }
  const owners = await recipients.listOwners(tx, events);
  const excluded = await recipients.listExcluded(tx, events);
  const ownersOf = new Map<string, typeof owners>();
  for (const owner of owners) ownersOf.set(owner.id, [...(ownersOf.get(owner.id) ?? []), owner]);
  const isExcluded = new Set(excluded.map(({ id, user_id }) => `${id} ${user_id}`));
  const notifications = events.flatMap((event): NewNotification[] => {
    const { id, org_id, type, data, created_at } = event;
    const kind = kindOfEvent(type);
    if (kind === undefined) return [];
    const { roles, listeners } = groups.get(`${org_id} ${type}`) ?? { roles: [], listeners: [] };
    const people = new Set(listeners);
    for (const { user_id, role_id } of ownersOf.get(id) ?? []) {
      if (roles.includes(role_id)) people.add(user_id);
    }
    const told = [...people].filter((person) => !isExcluded.has(`${id} ${person}`));
    return told.map((user_id) => ({
      id: newId(),
      user_id,
      org_id,
      kind,
      key: id,
      type,
      data,
      happened_at: created_at,
    }));
  });
  return insertNotifications(tx, notifications);
}
