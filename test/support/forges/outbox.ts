/** Delivers the events of a double over HTTP, signed as its forge signs them, to addresses on loopback. */
import { randomUUID } from "node:crypto";
import type { DoubleEvent } from "./records.js";
import type { DoubleRepository } from "./repository.js";

export interface DoubleHook {
  id: number;
  /** Null for all repositories, as of an App. */
  repository: string | null;
  url: string;
  secret: string;
}

/** An event as a forge puts it: its name, and what the body holds. */
export interface Payload {
  /** As in `issues` or `Issue Hook`. */
  name: string;
  body: object;
}

/** How a forge delivers. */
export interface EventFormat {
  payloadOf(
    repository: DoubleRepository,
    event: DoubleEvent,
    url: string,
  ): Payload | null | Promise<Payload | null>;
  /** Returns the headers of a delivery; those of a repetition are the same. */
  headersOf(delivery: {
    id: string;
    name: string;
    secret: string;
    body: string;
  }): Record<string, string>;
}

export interface Delivery {
  id: string;
  name: string;
  url: string;
  headers: Record<string, string>;
  body: string;
  /** The answers to each try; 0 for none. */
  answers: number[];
}

export class Outbox {
  readonly hooks: DoubleHook[] = [];
  readonly deliveries: Delivery[] = [];
  /** Keeps deliveries until `release`. */
  isHeld = false;
  readonly #held: Delivery[] = [];
  readonly #underway = new Set<Promise<void>>();

  emit(
    format: EventFormat,
    repository: DoubleRepository,
    event: DoubleEvent,
    doubleUrl: string,
  ): void {
    const hooks = this.hooks.filter(
      (one) => one.repository === null || one.repository === repository.name,
    );
    if (hooks.length === 0) return;
    this.#track(this.#send(format, repository, event, doubleUrl, hooks));
  }

  /** Waits until all deliveries were answered. */
  async idle(): Promise<void> {
    while (this.#underway.size > 0) await Promise.all(this.#underway);
  }

  /** Sends what was held: in another order, and more than once, on demand. */
  async release({ isReversed = false, copies = 1 } = {}): Promise<void> {
    await this.idle();
    this.isHeld = false;
    const held = this.#held.splice(0);
    if (isReversed) held.reverse();
    for (const delivery of held) {
      for (let copy = 0; copy < copies; copy += 1) await this.redeliver(delivery);
    }
  }

  /** Forgets what was held, as a forge does that gives up. */
  drop(): void {
    this.#held.length = 0;
  }

  /** Sends a delivery, or sends it again with the same id. Returns the status of the answer. */
  async redeliver(delivery: Delivery): Promise<number> {
    const { url, headers, body } = delivery;
    if (!/^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(new URL(url).hostname)) {
      throw new Error("a double delivers to loopback only");
    }
    const status = await fetch(url, { method: "POST", headers, body }).then(
      async (response) => {
        // A body that is not read keeps its connection.
        await response.arrayBuffer();
        return response.status;
      },
      () => 0,
    );
    delivery.answers.push(status);
    return status;
  }

  async #send(
    format: EventFormat,
    repository: DoubleRepository,
    event: DoubleEvent,
    doubleUrl: string,
    hooks: readonly DoubleHook[],
  ): Promise<void> {
    const payload = await format.payloadOf(repository, event, doubleUrl);
    if (!payload) return;
    const body = JSON.stringify(payload.body);
    for (const { url, secret } of hooks) {
      const id = randomUUID();
      const headers = {
        "content-type": "application/json",
        ...format.headersOf({ id, name: payload.name, secret, body }),
      };
      const delivery = { id, name: payload.name, url, headers, body, answers: [] };
      this.deliveries.push(delivery);
      if (this.isHeld) this.#held.push(delivery);
      else await this.redeliver(delivery);
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#underway.delete(tracked));
    this.#underway.add(tracked);
  }
}
