import type { ChangeFeed, RowChange } from "./changes.js";

/** A subject of changes: an organization, its runs, a person, a session or a key (its hash in hex). */
export type Source = `${"organization" | "runs of" | "user" | "session" | "key"} ${string}`;

/** An answer, together with everything that decided it. */
export interface Sourced<Value> {
  value: Value;
  /**
   * The subjects of all rows that decided the value. Rows that the value leaves out belong here too: an
   * archived organization is not in a list because it is archived, and restoring it changes the list.
   * Null where they cannot be declared: such a value is never kept.
   */
  sources: readonly Source[] | null;
  /** Until when the value holds, in milliseconds since 1970. */
  until?: number | undefined;
}

/** How one kind of answer is kept in memory. */
interface CacheOptions<Value> {
  changes: ChangeFeed;
  /** Reads an answer from the database; undefined, which declares no source, is not kept. */
  load: (key: string) => Promise<Sourced<Value> | undefined>;
  /** How many answers are kept; the oldest go first. */
  size?: number;
}

/**
 * Answers from memory what the database said, for as long as none of its sources has changed. It is as
 * fresh as the database: a change is heard of before the call that made it is answered (`syncAll`), an
 * answer that was under way while its source changed is given to its caller and not kept, and while
 * changes cannot be heard everything is read from the database.
 */
export function cached<Value>(
  options: CacheOptions<Value>,
): (key: string) => Value | Promise<Value | undefined> {
  const { changes, load, size = 10_000 } = options;
  const kept = new Map<string, { value: Value; until: number; sources: readonly Source[] }>();
  const keysOf = new Map<Source, Set<string>>();
  /** Counts changes; those since the oldest reading under way are remembered by their source. */
  let clock = 0;
  let lostAt = 0;
  const changedAt = new Map<Source, number>();
  let readings = 0;

  const forget = (key: string): void => {
    const entry = kept.get(key);
    if (!entry) return;
    kept.delete(key);
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
      lostAt = clock;
      kept.clear();
      keysOf.clear();
      return;
    }
    for (const source of sources) {
      if (readings > 0) changedAt.set(source, clock);
      for (const key of keysOf.get(source) ?? []) forget(key);
    }
  });
  const keep = (key: string, { value, sources, until }: Sourced<Value>, since: number): void => {
    const end = until ?? Number.POSITIVE_INFINITY;
    if (sources === null || !changes.hears || lostAt > since || end <= Date.now()) return;
    if (sources.some((source) => (changedAt.get(source) ?? 0) > since)) return;
    forget(key);
    kept.set(key, { value, until: end, sources });
    for (const source of sources) {
      const keys = keysOf.get(source);
      if (keys) keys.add(key);
      else keysOf.set(source, new Set([key]));
    }
    const [oldest] = kept.keys();
    if (kept.size > size && oldest !== undefined) forget(oldest);
  };
  const read = async (key: string): Promise<Value | undefined> => {
    const since = clock;
    readings += 1;
    try {
      const answer = await load(key);
      if (answer) keep(key, answer, since);
      return answer?.value;
    } finally {
      readings -= 1;
      if (readings === 0) changedAt.clear();
    }
  };

  return (key) => {
    const entry = kept.get(key);
    if (entry && entry.until > Date.now()) return entry.value;
    return read(key);
  };
}

/** The sources that a row's change concerns; null: all of them. */
function sourcesOfChange({ table, orgId, id }: RowChange): Source[] | null {
  switch (table) {
    case "sessions":
      return [`session ${id}`];
    case "api_keys":
      // As to_jsonb writes it: \x and hex.
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
      // They come and go all the time, and change nothing of who may do what.
      return [`runs of ${orgId}`];
    case "roles":
      // A system role is everybody's.
      return orgId === null ? null : [`organization ${orgId}`];
    default:
      return [];
  }
}
