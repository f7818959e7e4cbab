import type { Logger } from "pino";
import { fairSlots } from "#shared/node/fair-slots.js";
import { testEvent } from "#shared/event-types.js";
import type { Database } from "../../db/connection/connect.js";
import { systemOrigin } from "../../db/audit/audit.js";
import * as queries from "./attempts.queries.js";
import type { Claim, Target } from "./attempts.queries.js";
import { nextAttempt } from "./backoff.js";
import { decryptSecret, signatureHeaders } from "./sign.js";
import type { Attempt, WebhookClient } from "./webhook-client.js";
import { findWebhook, updateWebhook } from "./webhooks.queries.js";

export interface DeliveryDeps {
  db: Database;
  client: WebhookClient;
  /** The installation's secret. */
  secret: string;
  log: Logger;
}

export interface Deliverer {
  /** Sends the due deliveries of a webhook in the background. */
  wake(target: Target): void;
  /** Whether this process is sending deliveries of the webhook. */
  isSending(webhookId: string): boolean;
  /** Sends one delivery now, whatever its time. */
  sendOne(orgId: string, deliveryId: string): Promise<void>;
  /** Aborts attempts after a moment, so that another process makes them. */
  stop(): Promise<void>;
}

/** Attempts at the same time in this process: in total, of an organization, and of a webhook. */
const SLOTS = { slots: 48, perOwner: 8 };
const LANES = 4;
/** After failures for this long, a webhook is disabled. */
const MAX_FAILING_MS = 3 * 24 * 60 * 60 * 1000;
const STOP_GRACE_MS = 2000;
const GONE = 410;

/** The sending of one webhook in this process. Each lane sends one delivery at a time. */
interface Sending {
  lanes: number;
  /** A failing webhook gets one lane. */
  isFailing: boolean;
  /** Whether it was woken while all lanes were busy, one of which may just have found nothing. */
  again: boolean;
}

export function createDeliverer(deps: DeliveryDeps): Deliverer {
  const { db, log } = deps;
  const slots = fairSlots(SLOTS);
  const sending = new Map<string, Sending>();
  const lanes = new Set<Promise<void>>();
  const stopping = new AbortController();
  const aborting = new AbortController();

  const attempt = async (claim: Claim): Promise<void> => {
    const started = Date.now();
    let result: Attempt;
    try {
      result = await sendClaim(deps, claim, aborting.signal);
    } catch (error) {
      await db.tenant(claim.org_id, (tx) => queries.releaseClaim(tx, claim));
      throw error;
    }
    await recordAttempt(deps, claim, result, Date.now() - started);
  };

  const runLane = async (target: Target, state: Sending): Promise<void> => {
    while (!stopping.signal.aborted) {
      const free = await slots.take(target.org_id, stopping.signal);
      try {
        const claim = await db.tenant(target.org_id, (tx) =>
          queries.claimNext(tx, target.webhook_id),
        );
        if (!claim) return;
        state.isFailing = claim.is_failing;
        startLane(target, state);
        await attempt(claim);
      } finally {
        free();
      }
    }
  };

  const startLane = (target: Target, state: Sending): void => {
    if (stopping.signal.aborted) return;
    if (state.lanes >= (state.isFailing ? 1 : LANES)) {
      state.again = true;
      return;
    }
    state.lanes += 1;
    const lane = runLane(target, state)
      .catch((error: unknown) => {
        if (stopping.signal.aborted) return;
        log.warn({ err: error, webhook: target.webhook_id }, "a webhook's deliveries were paused");
        state.again = false;
      })
      .finally(() => {
        lanes.delete(lane);
        state.lanes -= 1;
        if (state.again && state.lanes === 0) {
          state.again = false;
          startLane(target, state);
        }
        if (state.lanes === 0) sending.delete(target.webhook_id);
      });
    lanes.add(lane);
  };

  return {
    isSending: (webhookId) => sending.has(webhookId),
    wake: (target) => {
      const state = sending.get(target.webhook_id) ?? { lanes: 0, isFailing: false, again: false };
      sending.set(target.webhook_id, state);
      startLane(target, state);
    },
    sendOne: async (orgId, deliveryId) => {
      const free = await slots.take(orgId, stopping.signal);
      try {
        const claim = await db.tenant(orgId, (tx) => queries.claimOne(tx, deliveryId));
        if (claim) await attempt(claim);
      } finally {
        free();
      }
    },
    stop: async () => {
      stopping.abort(new Error("the server is stopping"));
      const late = setTimeout(() => {
        aborting.abort(new Error("the server is stopping"));
      }, STOP_GRACE_MS);
      await Promise.all(lanes);
      clearTimeout(late);
    },
  };
}

/** Sends a claimed delivery. @throws the abort reason of `signal` */
async function sendClaim(
  { client, secret }: DeliveryDeps,
  claim: Claim,
  signal: AbortSignal,
): Promise<Attempt> {
  const { event_id, webhook_id, org_id, type, data, happened_at } = claim;
  const sealed = [claim.sealed_secret, claim.sealed_previous_secret].filter((one) => one !== null);
  const secrets = sealed.flatMap((one) => decryptSecret(secret, webhook_id, one) ?? []);
  if (secrets.length === 0) {
    const error = "The webhook's secret cannot be decrypted; rotate it.";
    return { status: null, body: null, error, retryAfterSeconds: null };
  }
  const body = JSON.stringify({ type, timestamp: happened_at.toISOString(), data });
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": "Omoi-Webhooks",
    ...signatureHeaders({ id: event_id, at: new Date(), body }, secrets),
  };
  return client.send({ url: new URL(claim.url), headers, body, owner: org_id, signal });
}

/** Records the result of an attempt, and disables a webhook that is gone or fails for days. */
async function recordAttempt(
  { db }: DeliveryDeps,
  claim: Claim,
  attempt: Attempt,
  duration_ms: number,
): Promise<void> {
  const { org_id, webhook_id, attempts, created_at } = claim;
  const isTest = claim.type === testEvent;
  const now = new Date();
  const next =
    attempt.error === null || isTest
      ? null
      : nextAttempt({ attempts, createdAt: created_at, now }, attempt.retryAfterSeconds);
  const failingSince = await db.tenant(org_id, async (tx) => {
    const result = { ...attempt, duration_ms, nextAttempt: next };
    const isLast = await queries.recordResult(tx, claim, result);
    if (!isLast || (isTest && attempt.error !== null)) return null;
    return queries.recordHealth(tx, claim, attempt.error);
  });
  if (isTest) return;
  if (attempt.status === GONE) await disableWebhook(db, { org_id, webhook_id }, "gone");
  else if (failingSince !== null && now.getTime() - failingSince.getTime() > MAX_FAILING_MS) {
    await disableWebhook(db, { org_id, webhook_id }, "failing");
  }
}

/** Disables a webhook and gives up its waiting deliveries. Its owners get an email. */
export async function disableWebhook(
  db: Database,
  { org_id, webhook_id }: Target,
  reason: "gone" | "failing" | "backlog",
): Promise<void> {
  await db.change(org_id, systemOrigin, async (tx, audit) => {
    const webhook = await findWebhook(tx, webhook_id);
    if (!webhook?.enabled) return;
    const changes = {
      enabled: false,
      disabled_reason: reason,
      disabled_at: new Date().toISOString(),
    };
    await updateWebhook(tx, webhook_id, { ...changes, notice_due: true });
    await queries.giveUpDeliveries(tx, webhook_id);
    audit({
      action: "webhook.disabled",
      target: { type: "webhook", id: webhook_id, name: new URL(webhook.url).host },
      changes: { disabled_reason: { from: null, to: reason } },
    });
  });
}
