import type { Logger } from "pino";
import { fairSlots } from "#shared/node/fair-slots.js";
import { nextAttempt } from "./backoff.js";
import { decryptSecret, signatureHeaders } from "./sign.js";
import type { Attempt, WebhookClient } from "./webhook-client.js";

/** A message whose attempt this process makes. */
export interface Claim {
  /** Id of the delivery. */
  id: string;
  webhook_id: string;
  url: string;
  /** What `webhook-id` says, which repeated attempts repeat. */
  message_id: string;
  type: string;
  happened_at: Date;
  data: object;
  /** Counts this attempt; a later one makes its result obsolete. */
  attempts: number;
  created_at: Date;
  is_failing: boolean;
  /** Sent once, whatever the result. */
  is_test: boolean;
  sealed_secret: Buffer;
  /** The secret before a rotation, which signs as well for a while. */
  sealed_previous_secret: Buffer | null;
}

export interface Result extends Attempt {
  duration_ms: number;
  /** Null when the delivery has ended. */
  nextAttempt: Date | null;
}

/** The webhooks and deliveries of one kind of owner. A target is one webhook. */
export interface DeliveryQueue<Target, Claimed extends Claim> {
  webhookOf(target: Target): string;
  /** The owner that shares the slots of the process with others. */
  ownerOf(target: Target): string;
  targetOf(claim: Claimed): Target;
  /** Claims the next due delivery of a webhook; undefined if there is none. */
  claimNext(target: Target): Promise<Claimed | undefined>;
  /** Claims one delivery; undefined if it has ended. */
  claimOne(target: Target, deliveryId: string): Promise<Claimed | undefined>;
  /** Ends an attempt that the server aborted when it stopped. */
  release(claim: Claimed): Promise<void>;
  /** Records the result of an attempt. Returns since when the webhook fails; null if it works. */
  record(claim: Claimed, result: Result): Promise<Date | null>;
  /** Disables a webhook and gives up its waiting deliveries. */
  disable(target: Target, reason: "gone" | "failing"): Promise<void>;
}

export interface Deliverer<Target> {
  /** Sends the due deliveries of a webhook in the background. */
  wake(target: Target): void;
  /** Whether this process is sending deliveries of the webhook. */
  isSending(webhookId: string): boolean;
  /** Sends one delivery now, whatever its time. */
  sendOne(target: Target, deliveryId: string): Promise<void>;
  /** Aborts attempts after a moment, so that another process makes them. */
  stop(): Promise<void>;
}

interface DelivererDeps {
  client: WebhookClient;
  /** The installation's secret. */
  secret: string;
  log: Logger;
}

/** Attempts at the same time in this process: in total, of an owner, and of a webhook. */
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

/** Creates the sender of deliveries: lanes, signatures, attempts and their repetition. */
export function createDeliverer<Target, Claimed extends Claim>(
  deps: DelivererDeps,
  queue: DeliveryQueue<Target, Claimed>,
): Deliverer<Target> {
  const { log } = deps;
  const slots = fairSlots(SLOTS);
  const sending = new Map<string, Sending>();
  const lanes = new Set<Promise<void>>();
  const stopping = new AbortController();
  const aborting = new AbortController();

  const attempt = async (claim: Claimed): Promise<void> => {
    const started = Date.now();
    const owner = queue.ownerOf(queue.targetOf(claim));
    let result: Attempt;
    try {
      result = await sendClaim(deps, claim, owner, aborting.signal);
    } catch (error) {
      await queue.release(claim);
      throw error;
    }
    await recordAttempt(queue, claim, result, Date.now() - started);
  };

  const runLane = async (target: Target, state: Sending): Promise<void> => {
    while (!stopping.signal.aborted) {
      const free = await slots.take(queue.ownerOf(target), stopping.signal);
      try {
        const claim = await queue.claimNext(target);
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
    const webhook = queue.webhookOf(target);
    const lane = runLane(target, state)
      .catch((error: unknown) => {
        if (stopping.signal.aborted) return;
        log.warn({ err: error, webhook }, "a webhook's deliveries were paused");
        state.again = false;
      })
      .finally(() => {
        lanes.delete(lane);
        state.lanes -= 1;
        if (state.again && state.lanes === 0) {
          state.again = false;
          startLane(target, state);
        }
        if (state.lanes === 0) sending.delete(webhook);
      });
    lanes.add(lane);
  };

  return {
    isSending: (webhookId) => sending.has(webhookId),
    wake: (target) => {
      const webhook = queue.webhookOf(target);
      const state = sending.get(webhook) ?? { lanes: 0, isFailing: false, again: false };
      sending.set(webhook, state);
      startLane(target, state);
    },
    sendOne: async (target, deliveryId) => {
      const free = await slots.take(queue.ownerOf(target), stopping.signal);
      try {
        const claim = await queue.claimOne(target, deliveryId);
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
  { client, secret }: DelivererDeps,
  claim: Claim,
  owner: string,
  signal: AbortSignal,
): Promise<Attempt> {
  const { message_id, webhook_id, type, data, happened_at } = claim;
  const sealed = [claim.sealed_secret, claim.sealed_previous_secret].filter(
    (sealed) => sealed !== null,
  );
  const secrets = sealed.flatMap((sealed) => decryptSecret(secret, webhook_id, sealed) ?? []);
  if (secrets.length === 0) {
    const error = "The webhook's secret cannot be decrypted; rotate it.";
    return { status: null, body: null, error, retryAfterSeconds: null };
  }
  const body = JSON.stringify({ type, timestamp: happened_at.toISOString(), data });
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": "Omoi-Webhooks",
    ...signatureHeaders({ id: message_id, at: new Date(), body }, secrets),
  };
  return client.send({ url: new URL(claim.url), headers, body, owner, signal });
}

/** Records the result of an attempt, and disables a webhook that is gone or fails for days. */
async function recordAttempt<Target, Claimed extends Claim>(
  queue: DeliveryQueue<Target, Claimed>,
  claim: Claimed,
  attempt: Attempt,
  duration_ms: number,
): Promise<void> {
  const { attempts, created_at, is_test } = claim;
  const now = new Date();
  const next =
    attempt.error === null || is_test
      ? null
      : nextAttempt({ attempts, createdAt: created_at, now }, attempt.retryAfterSeconds);
  const failingSince = await queue.record(claim, { ...attempt, duration_ms, nextAttempt: next });
  if (is_test) return;
  const target = queue.targetOf(claim);
  if (attempt.status === GONE) await queue.disable(target, "gone");
  else if (failingSince !== null && now.getTime() - failingSince.getTime() > MAX_FAILING_MS) {
    await queue.disable(target, "failing");
  }
}
