import type { Logger } from "pino";
import { kindOfEvent } from "#shared/work/notification-kinds.js";
import type { Database } from "../../../db/connection/connect.js";
import { personalWebhookDisabled } from "../../../mail/email-templates.js";
import type { Deliverer } from "../../operation/webhooks/index.js";
import { dispatchEvents } from "./recipients/dispatch-events.js";
import type { PersonalTarget } from "./recipients/insert-notifications.queries.js";
import {
  clearNotice,
  deleteOldNotifications,
  listNotices,
} from "./settings/personal-webhook.queries.js";
import { sendDigests, type DigestDeps } from "./sending/send-digests.js";
import * as attempts from "./sending/webhook-attempts.queries.js";

interface StartDeps extends DigestDeps {
  deliverer: Deliverer<PersonalTarget>;
  log: Logger;
}

/** The pause before the recipients of an event are found: a burst of events is one look. */
const GATHER_MS = 100;
/** Finds events of processes that died, retries and emails that are due. */
const SWEEP_MS = 5000;
const MAX_DUE_WEBHOOKS = 500;
/** A webhook with more waiting deliveries is disabled. */
const MAX_BACKLOG = 50_000;
const BACKLOG_MS = 60_000;
const NOTICES = 20;
const EXPIRY_BATCH = 5000;

/** Starts making notifications of events, and sending them. */
export function startNotifications(deps: StartDeps): { stop: () => Promise<void> } {
  const { db, deliverer, delaySeconds, log } = deps;
  let isStopped = false;
  let backlogsAt = 0;
  const running = new Set<Promise<void>>();
  /** Runs work, once at a time; a call during it runs it again. */
  const repeated = (work: () => Promise<unknown>): (() => Promise<void>) => {
    let current: Promise<void> | null = null;
    let again = false;
    const run = (): Promise<void> => {
      if (isStopped) return Promise.resolve();
      if (current) {
        again = true;
        return current;
      }
      const own = work()
        .catch((error: unknown) => log.warn({ err: error }, "notifications were delayed"))
        .then(() => {
          running.delete(own);
          current = null;
          if (!again) return;
          again = false;
          void run();
        });
      running.add(own);
      current = own;
      return own;
    };
    return run;
  };
  const dispatch = repeated(async () => {
    for (const target of await dispatchEvents(db)) deliverer.wake(target);
  });
  const send = repeated(() => sendDigests(deps));
  const sweep = async (): Promise<void> => {
    await dispatch();
    const due = await db.withSystem("find due notifications", (tx) =>
      attempts.listDueWebhooks(tx, MAX_DUE_WEBHOOKS),
    );
    for (const target of due) {
      if (!deliverer.isSending(target.webhook_id)) deliverer.wake(target);
    }
    await db.tryLock("notices of persons' webhooks", () => sendNotices(deps));
    if (Date.now() < backlogsAt) return;
    backlogsAt = Date.now() + BACKLOG_MS;
    await disableBacklogs(db, MAX_BACKLOG);
  };
  const sweepOnce = repeated(sweep);

  let gathering: NodeJS.Timeout | undefined;
  const unsubscribe = db.changes.subscribe((change) => {
    if (change?.table !== "events" || kindOfEvent(change.rest?.[0] ?? "") === undefined) return;
    gathering ??= setTimeout(() => {
      gathering = undefined;
      if (!isStopped) void dispatch();
    }, GATHER_MS);
    gathering.unref();
  });
  const sweeps = setInterval(() => void sweepOnce(), SWEEP_MS);
  const emails = setInterval(() => void send(), Math.min(SWEEP_MS, delaySeconds * 1000));
  sweeps.unref();
  emails.unref();

  return {
    stop: async () => {
      isStopped = true;
      unsubscribe();
      clearTimeout(gathering);
      clearInterval(sweeps);
      clearInterval(emails);
      await Promise.all(running);
    },
  };
}

/** Disables the webhooks with more than `most` waiting deliveries. */
export async function disableBacklogs(db: Database, most: number): Promise<void> {
  await db.withSystemTx("find webhooks with too many notifications", async (tx) => {
    for (const target of await attempts.listBacklogs(tx, most)) {
      await attempts.disableWebhook(tx, target, "backlog");
    }
  });
}

/** Tells persons that the server has disabled their webhooks; at least once after a crash. */
async function sendNotices({ db, mailer, publicUrl }: StartDeps): Promise<void> {
  const notices = await db.withSystem("find disabled webhooks of persons", (tx) =>
    listNotices(tx, NOTICES),
  );
  for (const { id, url, reason, email } of notices) {
    const link = `${publicUrl()}/settings/notifications`;
    const letter = personalWebhookDisabled({ host: new URL(url).host, reason, link });
    if (email !== null) await mailer.send({ to: email, ...letter });
    await db.withSystem("record a notice", (tx) => clearNotice(tx, id));
  }
}

/** Deletes notifications older than `days` with their deliveries. */
export async function expireNotifications(db: Database, days: number): Promise<void> {
  for (;;) {
    const deleted = await db.withSystem("delete old notifications", (tx) =>
      deleteOldNotifications(tx, days, EXPIRY_BATCH),
    );
    if (deleted < EXPIRY_BATCH) return;
  }
}
