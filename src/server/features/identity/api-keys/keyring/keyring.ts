import { hash } from "node:crypto";
import type { Logger } from "pino";
import { batched } from "../../../../db/locks/batch.js";
import { cached, type Sourced } from "../../../../db/cache/cache.js";
import type { Database } from "../../../../db/connection/connect.js";
import { AppError } from "../../../../errors.js";
import { invalidToken, type Actor, type ActorKey } from "../../../../access/authenticate.js";
import { isWithin } from "#shared/node/networks.js";
import { countHit } from "../../../../access/rate-limit.queries.js";
import { isWellFormed } from "#shared/node/key-text.js";
import { hashKey } from "./key.js";
import { findActiveKeys, organizationsOfPeople, type ActiveKey } from "./keyring.queries.js";
import { createUsageCounter } from "../usage/usage-counter.js";
import { addTallies } from "../usage/key-usage.queries.js";

/** Authenticates API keys, from a cache that is invalidated by changes. */
export interface Keyring {
  /**
   * Authenticates a key and records its use.
   * @throws AppError 401; 403 `ip_not_allowed`
   */
  actorOf(key: string, ip: string): Promise<Actor>;
  /** Finds an active key without recording a use. */
  find(key: string): Promise<{ actor: Actor; allows: (ip: string) => boolean } | undefined>;
  /** Returns the user's organizations that are not archived, where a key with full access can act. */
  organizationsOf(userId: string): Promise<readonly string[]>;
  /** Records the use of a key. */
  seen(keyId: string, ip: string): void;
  /**
   * Counts a request against the key's limit and returns the rate-limit headers.
   * @throws AppError 429
   */
  consumeRateLimit(key: ActorKey): Promise<Record<string, string>>;
  /** Writes this process's pending usage counts. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface KnownKey extends ActiveKey {
  actor: Actor;
}

export function createKeyring(
  db: Database,
  { secret, keyPrefix }: { secret: string; keyPrefix: string },
  log: Logger,
): Keyring {
  const counter = createUsageCounter((tallies) => addTallies(db.systemPool, tallies), log);
  const withActor = (found: ActiveKey): KnownKey => ({
    ...found,
    actor: {
      kind: kindOf(found),
      userId: found.user_id,
      agent: found.agent_id === null ? null : { id: found.agent_id, name: found.agent_name ?? "" },
      session: null,
      key: {
        id: found.id,
        scopes: found.scopes,
        lockedOutOf: found.shut_out_of,
        perMinute: found.rate_limit_per_minute,
        used: (orgId, permission) => counter.used(found.id, orgId, permission),
        answered: (endpoint, status) => counter.answered(found.id, endpoint, status),
      },
    },
  });
  const sourced = (key: ActiveKey): Sourced<KnownKey> => ({
    value: withActor(key),
    sources: [
      `key ${key.hash}`,
      `user ${key.user_id}`,
      // A key for one organization ends with it, and an agent's key with the agent.
      ...(key.org_id === null ? [] : [`organization ${key.org_id}` as const]),
    ],
    until: key.expires_at?.getTime(),
  });
  const usable = cached<KnownKey>({
    changes: db.changes,
    load: batched(async (hashes) => {
      const found = await findActiveKeys(db.systemPool, hashes);
      return new Map([...found].map(([stored, key]) => [stored, sourced(key)]));
    }),
  });

  const organizations = cached<string[]>({
    changes: db.changes,
    load: batched(async (userIds) => {
      const found = await organizationsOfPeople(db.systemPool, userIds);
      return new Map(
        [...found].map(([userId, all]) => {
          const value = all.filter(({ archived }) => !archived).map(({ id }) => id);
          const sources = all.map(({ id }) => `organization ${id}` as const);
          return [userId, { value, sources: [`user ${userId}` as const, ...sources] }];
        }),
      );
    }),
  });

  /** HMACs of keys that were active before, by a faster digest. */
  const hashes = new Map<string, string>();
  const lookUp = (key: string): KnownKey | undefined | Promise<KnownKey | undefined> => {
    const digest = hash("sha256", key, "base64");
    const known = hashes.get(digest);
    if (known !== undefined) return usable(known);
    return isWellFormed(keyPrefix, key) ? meet(key, digest) : undefined;
  };
  const meet = async (key: string, digest: string): Promise<KnownKey | undefined> => {
    const stored = hashKey(secret, key).toString("hex");
    const found = await usable(stored);
    // Unknown keys must not evict active ones.
    if (!found) return undefined;
    if (hashes.size >= 10_000) hashes.clear();
    hashes.set(digest, stored);
    return found;
  };
  const allows = ({ allowed_ips }: ActiveKey, ip: string): boolean =>
    allowed_ips === null || allowed_ips.some((network) => isWithin(ip, network));

  /** Keys whose limit is exhausted, with the end of the window; their requests need no write. */
  const exhaustedKeys = new Map<string, { perMinute: number; until: number }>();

  return {
    actorOf: async (key, ip) => {
      const found = await lookUp(key);
      if (!found) throw invalidToken();
      if (!allows(found, ip)) throw ipNotAllowed(ip);
      counter.seen(found.id, ip);
      return found.actor;
    },
    find: async (key) => {
      const found = await lookUp(key);
      return found && { actor: found.actor, allows: (ip) => allows(found, ip) };
    },
    organizationsOf: async (userId) => (await organizations(userId)) ?? [],
    seen: (keyId, ip) => counter.seen(keyId, ip),
    consumeRateLimit: async ({ id, perMinute }) => {
      if (perMinute === null) return {};
      const known = exhaustedKeys.get(id);
      if (known?.perMinute === perMinute && known.until > Date.now()) {
        throw rateLimitExceeded(perMinute, Math.ceil((known.until - Date.now()) / 1000));
      }
      exhaustedKeys.delete(id);
      // One counter across all processes, for keys with a limit only.
      const { hits, reset } = await db.withSystem("count requests of a key", (tx) =>
        countHit(tx, `key ${id}`, windowSeconds),
      );
      if (hits >= perMinute) exhaustedKeys.set(id, { perMinute, until: Date.now() + reset * 1000 });
      if (hits > perMinute) throw rateLimitExceeded(perMinute, reset);
      return limitHeaders(perMinute, perMinute - hits, reset);
    },
    flush: () => counter.flush(),
    close: () => counter.close(),
  };
}

function kindOf({ agent_id, kind }: ActiveKey): Actor["kind"] {
  if (agent_id !== null) return "agent";
  return kind === "service" ? "service_account" : "user";
}

const windowSeconds = 60;

function limitHeaders(perMinute: number, left: number, reset: number): Record<string, string> {
  return {
    ratelimit: `"key";r=${left};t=${reset}`,
    "ratelimit-policy": `"key";q=${perMinute};w=${windowSeconds}`,
  };
}

function rateLimitExceeded(perMinute: number, reset: number): AppError {
  return new AppError(
    "rate_limited",
    `The key is limited to ${perMinute} requests a minute; retry in ${reset} seconds.`,
    { headers: { ...limitHeaders(perMinute, 0, reset), "retry-after": String(reset) } },
  );
}

function ipNotAllowed(ip: string): AppError {
  return new AppError(
    "ip_not_allowed",
    `The key cannot be used from ${ip}; use an allowed address, or change the key's allowed addresses.`,
  );
}
