import { notificationKinds, type NotificationKind } from "#shared/work/notification-kinds.js";
import type { Database } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { notificationDigest, quoteName } from "../../../../mail/email-templates.js";
import type { Mailer, Message } from "../../../../mail/mailer.js";
import { describeNotification } from "../describe-notification.js";
import * as queries from "./digests.queries.js";
import type { Digest, DigestRow } from "./digests.queries.js";
import { judgeNotifications } from "./judge-notifications.js";

export interface DigestDeps {
  db: Database;
  mailer: Mailer;
  publicUrl: () => string;
  /** How long notifications of a person are gathered. */
  delaySeconds: number;
}

/** Notifications that an email names; it counts the others. */
const MAX_LINES = 20;
const UNCONFIRMED = "Your email address is not confirmed.";

/**
 * Sends the emails that are due, one for each person. An email has an id that its repetition after a crash shares, so
 * that it is queued once.
 */
export async function sendDigests(deps: DigestDeps): Promise<void> {
  const { db, mailer, publicUrl, delaySeconds } = deps;
  for (;;) {
    const digest = await db.withSystemTx("claim an email of notifications", (tx) =>
      queries.claimDigest(tx, newId(), delaySeconds),
    );
    if (!digest) return;
    const rows = await db.withSystem("read an email of notifications", (tx) =>
      queries.listDigest(tx, digest.id),
    );
    const reasons = await reasonsToSkip(db, digest, rows);
    const sent = rows.filter(({ id }) => !reasons.has(id));
    if (digest.address !== null && sent.length > 0) {
      await mailer.send({ to: digest.address, ...compose(sent, publicUrl()) }, digest.id);
    }
    const skipped = rows.flatMap(({ id, delivery_id }) => {
      const reason = reasons.get(id);
      return reason === undefined ? [] : [{ id: delivery_id, reason }];
    });
    await db.withSystem("record an email of notifications", (tx) =>
      queries.endDigest(tx, digest.id, skipped),
    );
  }
}

async function reasonsToSkip(
  db: Database,
  { address, user_id }: Digest,
  rows: readonly DigestRow[],
): Promise<Map<string, string>> {
  if (address === null) return new Map(rows.map(({ id }) => [id, UNCONFIRMED]));
  return judgeNotifications(db, user_id, rows);
}

/** Writes the email of notifications, which are in the order of their organizations. */
function compose(rows: readonly DigestRow[], publicUrl: string): Omit<Message, "to"> {
  const groups: { organization: string | null; lines: { text: string; link: string | null }[] }[] =
    [];
  let last: string | null | undefined;
  for (const row of rows.slice(0, MAX_LINES)) {
    if (row.org_id !== last || groups.length === 0) {
      groups.push({ organization: row.organization, lines: [] });
    }
    last = row.org_id;
    const { text, path } = describeNotification(row, quoteName);
    groups.at(-1)?.lines.push({ text, link: path === null ? null : publicUrl + path });
  }
  return notificationDigest({
    subject: subjectOf(rows, groups[0]?.lines[0]?.text ?? ""),
    groups,
    more: Math.max(rows.length - MAX_LINES, 0),
    homeLink: `${publicUrl}/`,
    settingsLink: `${publicUrl}/settings/notifications`,
  });
}

/** Says what happened: the one notification, or how many there are of each kind. */
function subjectOf(rows: readonly DigestRow[], first: string): string {
  if (rows.length === 1) return first;
  const counts = new Map<string, number>();
  for (const { kind } of rows) counts.set(kind ?? "", (counts.get(kind ?? "") ?? 0) + 1);
  const parts = [...counts].map(([kind, count]) => {
    const { title } = notificationKinds[kind as NotificationKind];
    return `${title.charAt(0).toLowerCase()}${title.slice(1)} (${count})`;
  });
  return `${rows.length} notifications: ${parts.join(", ")}`;
}
