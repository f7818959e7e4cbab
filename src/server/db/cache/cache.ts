import { isComparing } from "../precondition.js";
import type { ChangeFeed, RowChange } from "./changes.js";

/**
 * A row that cached values depend on: an organization, its runs, a user, a session, a key (its hash in
 * hex), or the installation.
 */
export type Source =
  | `${"organization" | "runs of" | "user" | "session" | "key"} ${string}`
  | "installation";

/** A value with every row that determined it. */
export interface Sourced<Value> {
  value: Value;
  /**
   * All rows that determined the value, including rows it omits: an archived organization is missing
   * from a list because it is archived, and restoring it changes the list. Null marks a value whose
   * sources cannot be declared; it is never cached.
   */
  sources: readonly Source[] | null;
  /** Expiry of the value, in milliseconds since 1970. */
  until?: number | undefined;
}

/** Configuration of one cache. */
interface CacheOptions<Value> {
  changes: ChangeFeed;
  /** Reads a value from the database. An undefined result declares no sources and is not cached. */
  load: (key: string) => Promise<Sourced<Value> | undefined>;
  /** Maximum number of entries; the oldest are evicted first. */
  size?: number;
}

/**
 * Creates a cache whose entries live until one of their sources changes. It is as fresh as the
 * database: a change invalidates every process before the request that made it is answered (`syncAll`),
 * a value whose source changed while it was being read is returned but not cached, and nothing is
 * cached or answered from the cache while the process does not hear changes.
 */
export function cached<Value>(
  options: CacheOptions<Value>,
): (key: string) => Value | Promise<Value | undefined> {
  const { changes, load, size = 10_000 } = options;
  const entries = new Map<string, { value: Value; until: number; sources: readonly Source[] }>();
  const keysOf = new Map<Source, Set<string>>();
  /**
   * Logical clock of changes. While reads are in flight, `changedAt` maps each changed source to its
   * tick.
   */
  let clock = 0;
  let resetAt = 0;
  const changedAt = new Map<Source, number>();
  let reads = 0;

  const evict = (key: string): void => {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    for (const source of entry.sources) {
      const keys = keysOf.get(source);
      keys?.delete(key);
      if (keys?.size === 0) keysOf.delete(source);
    }
  };
  changes.subscribe((change) => {
    clock += 1;
    const sources = change && sourcesOfChange(change);
    if (!sources) {
      resetAt = clock;
      entries.clear();
      keysOf.clear();
      return;
    }
    for (const source of sources) {
      if (reads > 0) changedAt.set(source, clock);
      for (const key of keysOf.get(source) ?? []) evict(key);
    }
  });
  const store = (key: string, { value, sources, until }: Sourced<Value>, since: number): void => {
    const end = until ?? Number.POSITIVE_INFINITY;
    if (sources === null || !changes.mayCache || resetAt > since || end <= Date.now()) return;
    if (sources.some((source) => (changedAt.get(source) ?? 0) > since)) return;
    evict(key);
    entries.set(key, { value, until: end, sources });
    for (const source of sources) {
      const keys = keysOf.get(source);
      if (keys) keys.add(key);
      else keysOf.set(source, new Set([key]));
    }
    const [oldest] = entries.keys();
    if (entries.size > size && oldest !== undefined) evict(oldest);
  };
  const read = async (key: string): Promise<Value | undefined> => {
    const since = clock;
    reads += 1;
    try {
      const answer = await load(key);
      if (answer) store(key, answer, since);
      return answer?.value;
    } finally {
      reads -= 1;
      if (reads === 0) changedAt.clear();
    }
  };

  return (key) => {
    // Under the lock the present value counts; a change that was just committed may not be known here yet.
    if (isComparing()) return load(key).then((answer) => answer?.value);
    const entry = entries.get(key);
    if (entry && entry.until > Date.now() && changes.mayCache) return entry.value;
    return read(key);
  };
}

/** Returns the sources a row change invalidates, or null for all of them. */
function sourcesOfChange({ table, orgId, id }: RowChange): Source[] | null {
  switch (table) {
    case "sessions":
      return [`session ${id}`];
    case "api_keys":
      // `to_jsonb` renders bytea as \x and hex.
      return [`key ${id?.slice(2)}`];
    case "users":
      return [`user ${id}`];
    case "memberships":
      return [`organization ${orgId}`, ...(id === null ? [] : [`user ${id}` as const])];
    case "organizations":
    case "organization_slugs":
    case "projects":
    case "agents":
      return [`organization ${orgId}`];
    case "runs":
      // Run tokens change constantly and affect no permissions.
      return [`runs of ${orgId}`];
    case "installation":
      return ["installation"];
    case "roles":
      // A system role belongs to every organization.
      return orgId === null ? null : [`organization ${orgId}`];
    default:
      return [];
  }
}
