import type { NotificationChoice, NotificationSettings } from "#shared/api/work/notifications.js";
import { notificationKindNames, notificationKinds } from "#shared/work/notification-kinds.js";
import type { Actor } from "../../../../access/authenticate.js";
import { resolvePathAccess } from "../../../../access/authorize.js";
import type { Database } from "../../../../db/connection/connect.js";
import { invalidToken } from "../../../../access/authenticate.js";
import * as queries from "./choices.queries.js";
import { findWebhook } from "./personal-webhook.queries.js";

export interface SettingsDeps {
  db: Database;
  /** Whether emails leave the server. */
  sendsEmail: boolean;
}

/** Returns what a person is notified of, and how. @throws AppError 401 */
export async function readSettings(
  { db, sendsEmail }: SettingsDeps,
  userId: string,
): Promise<NotificationSettings> {
  return db.withSystemTx("read a person's notification settings", async (tx) => {
    const person = await queries.findAddressee(tx, userId);
    if (!person) throw invalidToken();
    const stored = await queries.listChoices(tx, userId);
    const organizations = await queries.listOrganizations(tx, userId);
    const webhook = await findWebhook(tx, userId);
    return {
      kinds: notificationKindNames.map((name) => {
        const { title, description, hasScope } = notificationKinds[name];
        return { name, title, description, has_scope: hasScope };
      }),
      choices: completed(stored.filter(({ org_id }) => org_id === null)),
      organizations: organizations.map((organization) => {
        const own = stored.filter(({ org_id }) => org_id === organization.id);
        return { ...organization, choices: own.length === 0 ? null : completed(own) };
      }),
      email: { address: person.email, is_verified: person.is_verified, is_sent: sendsEmail },
      webhook: webhook ? withoutId(webhook) : null,
    };
  });
}

function withoutId<Row extends { id: string }>({ id: _id, ...rest }: Row): Omit<Row, "id"> {
  return rest;
}

/** The choice of each kind; the default of those that are missing. */
function completed(choices: readonly NotificationChoice[]): NotificationChoice[] {
  return notificationKindNames.map((kind) => {
    const own = choices.find((choice) => choice.kind === kind);
    const { email, webhook, scope } = own ?? notificationKinds[kind].default;
    return { kind, email, webhook, scope };
  });
}

/** Chooses for organizations without choices of their own. */
export async function setChoices(
  deps: SettingsDeps,
  userId: string,
  choices: readonly NotificationChoice[],
): Promise<NotificationSettings> {
  await deps.db.withSystemTx("set a person's notification settings", (tx) =>
    queries.replaceChoices(tx, userId, null, completed(choices)),
  );
  return readSettings(deps, userId);
}

/** Chooses for one organization. @throws AppError 404 */
export async function setOrganizationChoices(
  deps: SettingsDeps,
  actor: Actor,
  organization: string,
  choices: readonly NotificationChoice[],
): Promise<NotificationSettings> {
  const { orgId } = await resolvePathAccess(deps.db, actor, "org_id", organization);
  await deps.db.withSystemTx("set a person's notification settings", (tx) =>
    queries.replaceChoices(tx, actor.userId, orgId, completed(choices)),
  );
  return readSettings(deps, actor.userId);
}

/** Forgets the choices for one organization. @throws AppError 404 */
export async function resetOrganizationChoices(
  { db }: SettingsDeps,
  actor: Actor,
  organization: string,
): Promise<void> {
  const { orgId } = await resolvePathAccess(db, actor, "org_id", organization);
  await db.withSystemTx("reset a person's notification settings", (tx) =>
    queries.replaceChoices(tx, actor.userId, orgId, []),
  );
}
