import { hash } from "node:crypto";
import type { Logger } from "pino";
import { batched } from "../../../db/locks/batch.js";
import { cached, type Sourced } from "../../../db/cache/cache.js";
import type { Database } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import { invalidToken, type Actor, type ActorKey } from "../../../access/authenticate.js";
import { isWithin } from "#shared/node/networks.js";
import { countHit } from "../../../access/rate-limit.queries.js";
import { isWellFormed } from "#shared/node/key-text.js";
import { hashKey } from "./key.js";
import { findUsableKeys, organizationsOfPeople, type UsableKey } from "./keyring.queries.js";
import { createUsageCounter } from "../usage/usage-counter.js";
import { addTallies } from "../usage/key-usage.queries.js";

/** Knows the keys that work, from memory for as long as nothing of them changes. */
export interface Keyring {
  /** The actor behind a key. @throws AppError 401; 403 `ip_not_allowed` */
  actorOf(key: string, ip: string): Promise<Actor>;
  /** The same without a use being noted; undefined where the key does not work, or not from there. */
  find(key: string): Promise<{ actor: Actor; allows: (ip: string) => boolean } | undefined>;
  /** The organizations of a person that are not archived: where a key of full access can act. */
  organizationsOf(userId: string): Promise<readonly string[]>;
  /** Notes that a key was used. */
  seen(keyId: string, ip: string): void;
  /** Counts a request against the key's limit; gives the headers that tell of it. @throws AppError 429 */
  consumeRateLimit(key: ActorKey): Promise<Record<string, string>>;
  /** Writes what was counted in this process. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface KnownKey extends UsableKey {
  actor: Actor;
}

export function createKeyring(
  db: Database,
  { secret, keyPrefix }: { secret: string; keyPrefix: string },
  log: Logger,
): Keyring {
  const counter = createUsageCounter((tallies) => addTallies(db.systemPool, tallies), log);
  const withActor = (found: UsableKey): KnownKey => ({
    ...found,
    actor: {
      userId: found.user_id,
      agent: found.agent_id === null ? null : { id: found.agent_id, name: found.agent_name ?? "" },
      session: null,
      key: {
        id: found.id,
        scopes: found.scopes,
        shutOutOf: found.shut_out_of,
        perMinute: found.rate_limit_per_minute,
        used: (orgId, permission) => counter.used(found.id, orgId, permission),
        answered: (endpoint, status) => counter.answered(found.id, endpoint, status),
      },
    },
  });
  const sourced = (key: UsableKey): Sourced<KnownKey> => ({
    value: withActor(key),
    sources: [
      `key ${key.hash}`,
      `user ${key.user_id}`,
      // A key for one organization alone ends with it, an agent's key with the agent.
      ...(key.org_id === null ? [] : [`organization ${key.org_id}` as const]),
    ],
    until: key.expires_at?.getTime(),
  });
  const usable = cached<KnownKey>({
    changes: db.changes,
    load: batched(async (hashes) => {
      const found = await findUsableKeys(db.systemPool, hashes);
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

  /** The stored hash of a key that worked before, by a digest that is quicker to make. */
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
    // Made-up keys must not push out those that work.
    if (!found) return undefined;
    if (hashes.size >= 10_000) hashes.clear();
    hashes.set(digest, stored);
    return found;
  };
  const allows = ({ allowed_ips }: UsableKey, ip: string): boolean =>
    allowed_ips === null || allowed_ips.some((network) => isWithin(ip, network));

  /** Until when a key has no turn left, as far as this process knows: then nothing is written. */
  const spent = new Map<string, { perMinute: number; until: number }>();

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
      const known = spent.get(id);
      if (known?.perMinute === perMinute && known.until > Date.now()) {
        throw tooMany(perMinute, Math.ceil((known.until - Date.now()) / 1000));
      }
      spent.delete(id);
      // One count for all processes; only keys with a limit pay for it.
      const { hits, reset } = await db.withSystem("count a key's requests", (tx) =>
        countHit(tx, `key ${id}`, windowSeconds),
      );
      if (hits >= perMinute) spent.set(id, { perMinute, until: Date.now() + reset * 1000 });
      if (hits > perMinute) throw tooMany(perMinute, reset);
      return limitHeaders(perMinute, perMinute - hits, reset);
    },
    flush: () => counter.flush(),
    close: () => counter.close(),
  };
}

const windowSeconds = 60;

function limitHeaders(perMinute: number, left: number, reset: number): Record<string, string> {
  return {
    ratelimit: `"key";r=${left};t=${reset}`,
    "ratelimit-policy": `"key";q=${perMinute};w=${windowSeconds}`,
  };
}

function tooMany(perMinute: number, reset: number): AppError {
  return new AppError(
    "rate_limited",
    `The key may make ${perMinute} requests a minute; wait ${reset} seconds.`,
    { headers: { ...limitHeaders(perMinute, 0, reset), "retry-after": String(reset) } },
  );
}

function ipNotAllowed(ip: string): AppError {
  return new AppError(
    "ip_not_allowed",
    `The key may not be used from ${ip}; use it from one of its allowed addresses, or change them.`,
  );
}
