/** How fast the programs of sessions are read: for each session, and for all sessions of an organization together. */
import { setTimeout as pause } from "node:timers/promises";

/** A rate, and how much may come at once after a quiet time. */
interface Rate {
  perSecond: number;
  burst: number;
}

/**
 * Lines of one program. Agents stream some hundred pieces of text a second, in a turn alone, and repeat histories of
 * thousands of messages when they take up a session.
 */
export const SESSION_MESSAGES: Rate = { perSecond: 1000, burst: 10_000 };
/**
 * Lines of all programs of an organization. Most of its agents wait for a model or a tool at any moment; after a
 * restart of the server, several repeat their histories at once. Reading this many takes a few percent of a processor.
 */
export const ORGANIZATION_MESSAGES: Rate = { perSecond: 2000, burst: 20_000 };
/** Bytes of one program: its transcript holds 64 MiB. */
export const SESSION_BYTES: Rate = { perSecond: 4 * 1024 * 1024, burst: 4 * 1024 * 1024 };
/** Bytes of all programs of an organization, which are masked and written by the server itself. */
export const ORGANIZATION_BYTES: Rate = { perSecond: 8 * 1024 * 1024, burst: 32 * 1024 * 1024 };
/** Further texts in a message that cost as much as a message: each is masked on its own. */
const TEXTS_PER_MESSAGE = 10;

/** A token bucket that lends: what has been taken is waited for afterwards, in the order of the calls. */
export class TokenBucket {
  readonly #rate: Rate;
  /** When everything taken so far would have come at the sustained rate, in milliseconds. */
  #until = 0;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Takes tokens at a time in milliseconds. Returns the milliseconds until they are there. */
  take(count: number, now: number): number {
    const { perSecond, burst } = this.#rate;
    this.#until = Math.max(this.#until, now) + (1000 * count) / perSecond;
    return Math.max(0, this.#until - now - (1000 * burst) / perSecond);
  }

  isFull(now: number): boolean {
    return this.#until <= now;
  }
}

interface Organization {
  messages: TokenBucket;
  bytes: TokenBucket;
  sessions: number;
}

/** Those with sessions, and those whose buckets are not full yet. */
const organizations = new Map<string, Organization>();

/** The limits of a session while its program runs. */
export class MessageLimits {
  readonly #messages = new TokenBucket(SESSION_MESSAGES);
  readonly #bytes = new TokenBucket(SESSION_BYTES);
  readonly #organization: Organization;
  readonly #now: () => number;
  readonly #released = new AbortController();
  /** Messages that are still read of a program that has ended: more than its pipe holds of real ones. */
  #left = SESSION_MESSAGES.burst;
  /** Whether output waits for its turn. */
  isHeld = false;

  constructor(orgId: string, now = (): number => performance.now()) {
    this.#now = now;
    for (const [id, { messages, bytes, sessions }] of organizations) {
      const isUnused = sessions === 0 && messages.isFull(now()) && bytes.isFull(now());
      if (isUnused) organizations.delete(id);
    }
    const organization = organizations.get(orgId) ?? {
      messages: new TokenBucket(ORGANIZATION_MESSAGES),
      bytes: new TokenBucket(ORGANIZATION_BYTES),
      sessions: 0,
    };
    organization.sessions += 1;
    organizations.set(orgId, organization);
    this.#organization = organization;
  }

  /** Takes from all buckets. Returns the milliseconds to wait. */
  take(messages: number, bytes: number): number {
    const now = this.#now();
    return Math.max(
      this.#messages.take(messages, now),
      this.#organization.messages.take(messages, now),
      this.#bytes.take(bytes, now),
      this.#organization.bytes.take(bytes, now),
    );
  }

  /**
   * Waits until messages may be read. Returns false for those that are not read at all, since the program has ended
   * and left too many.
   */
  async admit(messages: number, bytes: number): Promise<boolean> {
    const { signal } = this.#released;
    if (!signal.aborted) {
      const ms = this.take(messages, bytes);
      this.isHeld = ms > 0;
      await this.pause(ms);
      this.isHeld = false;
    }
    if (signal.aborted) this.#left -= messages;
    return this.#left >= 0;
  }

  /** Counts the texts of messages that were read: wide messages slow down those that follow. */
  charge(texts: number): void {
    this.take(texts / TEXTS_PER_MESSAGE, 0);
  }

  /** Waits, but not for a program that has ended. */
  async pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    await pause(ms, undefined, { signal: this.#released.signal }).catch(() => undefined);
  }

  /** Lets go of the output of a program that has ended. */
  release(): void {
    this.#released.abort();
  }

  /** Leaves the organization. */
  close(): void {
    this.release();
    this.#organization.sessions -= 1;
  }
}
