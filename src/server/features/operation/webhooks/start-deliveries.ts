import type { Logger } from "pino";
import type { Database } from "../../../db/connection/connect.js";
import { systemRoleIds } from "../../../db/migrate.js";
import type { Jobs } from "../../../jobs/queue.js";
import { webhookDisabled } from "../../../mail/email-templates.js";
import type { Mailer } from "../../../mail/mailer.js";
import { listBacklogs, listDueWebhooks, type Target } from "./attempts.queries.js";
import { deleteOldEvents, giveUpIdleDeliveries } from "./deliveries.queries.js";
import { disableWebhook } from "./organization-queue.js";
import { GIVE_UP_MS } from "./sending/backoff.js";
import type { Deliverer } from "./sending/create-deliverer.js";
import { clearNotice, listNotices } from "./webhooks.queries.js";

interface DispatchDeps {
  db: Database;
  jobs: Jobs;
  mailer: Mailer;
  deliverer: Deliverer<Target>;
  publicUrl: () => string;
  log: Logger;
}

/** The pause before a new delivery is sent: a burst of events is one job. */
const GATHER_MS = 20;
/** Finds retries that are due, and deliveries of processes that died. */
const SWEEP_MS = 5000;
const MAX_DUE_WEBHOOKS = 500;
/** A webhook with more waiting deliveries is disabled. */
const MAX_BACKLOG = 50_000;
const BACKLOG_MS = 60_000;
const NOTICES = 20;
const EXPIRY_BATCH = 5000;

/** Starts sending jobs for webhooks with due deliveries. */
export function startDeliveries(deps: DispatchDeps): { stop: () => Promise<void> } {
  const { db, jobs, deliverer, log } = deps;
  const gathered = new Set<string>();
  const warn = (error: unknown): void => {
    log.warn({ err: error }, "due webhook deliveries were not found");
  };
  const send = (target: Target): Promise<void> => jobs.send("deliver-webhook", target);

  const unsubscribe = db.changes.subscribe((change) => {
    if (change?.table !== "webhook_deliveries" || change.orgId === null || change.id === null)
      return;
    const target = { org_id: change.orgId, webhook_id: change.id };
    if (deliverer.isSending(target.webhook_id)) deliverer.wake(target);
    else if (!gathered.has(target.webhook_id)) {
      gathered.add(target.webhook_id);
      setTimeout(() => {
        gathered.delete(target.webhook_id);
        if (!isStopped) send(target).catch(warn);
      }, GATHER_MS).unref();
    }
  });

  let isStopped = false;
  let backlogsAt = 0;
  const sweep = async (): Promise<void> => {
    const due = await db.withSystem("find due webhook deliveries", (tx) =>
      listDueWebhooks(tx, MAX_DUE_WEBHOOKS),
    );
    for (const target of due) if (!deliverer.isSending(target.webhook_id)) await send(target);
    await sendNotices(deps);
    if (Date.now() < backlogsAt) return;
    backlogsAt = Date.now() + BACKLOG_MS;
    const backlogs = await db.withSystem("find webhooks with too many deliveries", (tx) =>
      listBacklogs(tx, MAX_BACKLOG),
    );
    for (const target of backlogs) await disableWebhook(db, target, "backlog");
  };
  let sweeping = Promise.resolve();
  let isSweeping = false;
  const timer = setInterval(() => {
    if (isSweeping) return;
    isSweeping = true;
    sweeping = sweep()
      .catch(warn)
      .finally(() => {
        isSweeping = false;
      });
  }, SWEEP_MS);
  timer.unref();

  return {
    stop: async () => {
      isStopped = true;
      unsubscribe();
      clearInterval(timer);
      await sweeping;
    },
  };
}

/** Tells the creators and owners of webhooks that the server has disabled; at least once after a crash. */
async function sendNotices({ db, mailer, publicUrl }: DispatchDeps): Promise<void> {
  const notices = await db.withSystem("find disabled webhooks", (tx) =>
    listNotices(tx, systemRoleIds.owner, NOTICES),
  );
  for (const { id, org_id, url, reason, organization, slug, emails } of notices) {
    const link = `${publicUrl()}/organizations/${slug}/settings?tab=webhooks`;
    const letter = webhookDisabled({ host: new URL(url).host, reason, organization, link });
    for (const to of emails) await mailer.send({ to, ...letter });
    await db.tenant(org_id, (tx) => clearNotice(tx, id));
  }
}

/**
 * Deletes events older than `days` with their deliveries, and ends deliveries that nothing sends any more.
 */
export async function expireEvents(db: Database, days: number): Promise<void> {
  const hours = GIVE_UP_MS / 3_600_000;
  await db.withSystem("end unsent webhook deliveries", (tx) => giveUpIdleDeliveries(tx, hours));
  for (;;) {
    const deleted = await db.withSystem("delete old events", (tx) =>
      deleteOldEvents(tx, days, EXPIRY_BATCH),
    );
    if (deleted < EXPIRY_BATCH) return;
  }
}
