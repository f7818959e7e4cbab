import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cached, type Sourced } from "./cache.js";
import type { ChangeFeed, RowChange } from "./changes.js";

/** A change feed controlled by the test. */
function feedOf() {
  const listeners: ((change: RowChange | null) => void)[] = [];
  const feed = {
    mayCache: true as boolean,
    obstacle: null,
    subscribe: (listener: (change: RowChange | null) => void) => {
      listeners.push(listener);
      return () => {};
    },
    syncLocal: async () => {},
    syncAll: async () => {},
    drainAll: async () => true,
    onDrain: () => {},
    joinNode: () => {},
    close: async () => {},
  } satisfies ChangeFeed;
  const audit = (change: RowChange | null): void => {
    for (const listener of listeners) listener(change);
  };
  return {
    feed,
    user: (id: string) => audit({ table: "users", orgId: null, id }),
    audit,
  };
}

/** A database of versions, read in two steps: the row is seen at the start of the read. */
function rowsOf(feed: ChangeFeed, until?: () => number) {
  const versions = new Map<string, number>();
  const underWay: (() => void)[] = [];
  let reads = 0;
  const answerOf = (id: string, version: number): Sourced<{ id: string; version: number }> => ({
    value: { id, version },
    sources: id.startsWith("undeclared") ? null : [`user ${id}`],
    until: until?.(),
  });
  const get = cached<{ id: string; version: number }>({
    changes: feed,
    load: (id) => {
      reads += 1;
      const version = versions.get(id);
      const answer = version === undefined ? undefined : answerOf(id, version);
      return new Promise((resolve) => underWay.push(() => resolve(answer)));
    },
    size: 3,
  });
  const arrive = async (): Promise<void> => {
    for (const answer of underWay.splice(0)) answer();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const read = async (id: string): Promise<number | undefined> => {
    const answer = Promise.resolve(get(id));
    await arrive();
    return (await answer)?.version;
  };
  return { versions, get, arrive, read, reads: () => reads };
}

describe("cached", () => {
  test("reads once and answers from the cache until the source changes", async () => {
    const { feed, user } = feedOf();
    const { versions, read, reads } = rowsOf(feed);
    versions.set("a", 1).set("b", 1);
    expect([await read("a"), await read("a"), await read("b")]).toEqual([1, 1, 1]);
    expect(reads()).toBe(2);
    versions.set("a", 2);
    user("a");
    expect([await read("a"), await read("b")]).toEqual([2, 1]);
    expect(reads()).toBe(3);
  });

  test("does not cache a value whose source changed while it was read", async () => {
    const { feed, user } = feedOf();
    const { versions, get, arrive, read } = rowsOf(feed);
    versions.set("a", 1);
    const late = get("a");
    versions.set("a", 2);
    user("a");
    await arrive();
    expect(await late).toEqual({ id: "a", version: 1 });
    expect(await read("a")).toBe(2);
  });

  test("does not cache absent values", async () => {
    const { feed } = feedOf();
    const { versions, read } = rowsOf(feed);
    expect(await read("a")).toBeUndefined();
    versions.set("a", 1);
    expect(await read("a")).toBe(1);
  });

  test("does not cache a value without declared sources", async () => {
    const { feed } = feedOf();
    const { versions, read } = rowsOf(feed);
    versions.set("undeclared", 1);
    expect(await read("undeclared")).toBe(1);
    versions.set("undeclared", 2);
    expect(await read("undeclared")).toBe(2);
  });

  test("caches nothing while the feed is down and drops older entries", async () => {
    const { feed, audit } = feedOf();
    const { versions, get, arrive, read, reads } = rowsOf(feed);
    versions.set("a", 1);
    await read("a");
    feed.mayCache = false;
    audit(null);
    versions.set("a", 2);
    expect([await read("a"), await read("a")]).toEqual([2, 2]);
    expect(reads()).toBe(3);
    const begunDeaf = get("a");
    versions.set("a", 3);
    feed.mayCache = true;
    audit(null);
    await arrive();
    await begunDeaf;
    expect(await read("a")).toBe(3);
  });

  test("evicts the oldest entry when full and expired entries", async () => {
    const { feed } = feedOf();
    const { versions, read, reads } = rowsOf(feed);
    for (const id of ["a", "b", "c", "d"]) {
      versions.set(id, 1);
      await read(id);
    }
    await read("d");
    expect(reads()).toBe(4);
    await read("a");
    expect(reads()).toBe(5);
    const timed = rowsOf(feed, () => Date.now());
    timed.versions.set("a", 1);
    await timed.read("a");
    await timed.read("a");
    expect(timed.reads()).toBe(2);
  });

  test("a system role's change or a missed change invalidates everything", async () => {
    const { feed, audit } = feedOf();
    const { versions, read } = rowsOf(feed);
    versions.set("a", 1);
    await read("a");
    versions.set("a", 2);
    audit({ table: "roles", orgId: null, id: "x" });
    expect(await read("a")).toBe(2);
  });

  test("never returns less than was committed and delivered, in any order", async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("read" as const), id: fc.constantFrom("a", "b") }),
      fc.record({ do: fc.constant("write" as const), id: fc.constantFrom("a", "b") }),
      fc.record({ do: fc.constant("tell" as const), id: fc.constantFrom("a", "b") }),
      fc.constant({ do: "arrive" as const, id: "" }),
      fc.constant({ do: "deaf" as const, id: "" }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { feed, user, audit } = feedOf();
        const { versions, get, arrive } = rowsOf(feed);
        versions.set("a", 0).set("b", 0);
        // The delivered version is the minimum that a later read may return.
        const delivered = new Map([
          ["a", 0],
          ["b", 0],
        ]);
        const answers: Promise<void>[] = [];
        for (const { do: what, id } of steps) {
          if (what === "write") versions.set(id, (versions.get(id) ?? 0) + 1);
          else if (what === "tell") {
            user(id);
            delivered.set(id, versions.get(id) ?? 0);
          } else if (what === "arrive") await arrive();
          else if (what === "deaf") {
            feed.mayCache = !feed.mayCache;
            audit(null);
            for (const [key, version] of versions) delivered.set(key, version);
          } else {
            const least = delivered.get(id) ?? 0;
            answers.push(
              Promise.resolve(get(id)).then((value) => {
                expect(value?.version).toBeGreaterThanOrEqual(least);
              }),
            );
          }
        }
        await arrive();
        await Promise.all(answers);
      }),
      { numRuns: 500 },
    );
  });
});
