import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cached, type Sourced } from "./cache.js";
import type { ChangeFeed, RowChange } from "./changes.js";

/** A feed whose changes are told by the test. */
function feedOf() {
  const listeners: ((change: RowChange | null) => void)[] = [];
  const feed = {
    hears: true as boolean,
    subscribe: (listener: (change: RowChange | null) => void) => {
      listeners.push(listener);
      return () => {};
    },
    syncLocal: async () => {},
    syncAll: async () => {},
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

/** A database of versions, read in two steps: the row is seen when the reading begins. */
function rowsOf(feed: ChangeFeed, until?: () => number) {
  const versions = new Map<string, number>();
  const underWay: (() => void)[] = [];
  let readings = 0;
  const answerOf = (id: string, version: number): Sourced<{ id: string; version: number }> => ({
    value: { id, version },
    sources: id.startsWith("undeclared") ? null : [`user ${id}`],
    until: until?.(),
  });
  const get = cached<{ id: string; version: number }>({
    changes: feed,
    load: (id) => {
      readings += 1;
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
  return { versions, get, arrive, read, readings: () => readings };
}

describe("cached", () => {
  test("reads once and answers from memory until the source changes", async () => {
    const { feed, user } = feedOf();
    const { versions, read, readings } = rowsOf(feed);
    versions.set("a", 1).set("b", 1);
    expect([await read("a"), await read("a"), await read("b")]).toEqual([1, 1, 1]);
    expect(readings()).toBe(2);
    versions.set("a", 2);
    user("a");
    expect([await read("a"), await read("b")]).toEqual([2, 1]);
    expect(readings()).toBe(3);
  });

  test("does not keep an answer that was under way while its source changed", async () => {
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

  test("does not keep what is absent", async () => {
    const { feed } = feedOf();
    const { versions, read } = rowsOf(feed);
    expect(await read("a")).toBeUndefined();
    versions.set("a", 1);
    expect(await read("a")).toBe(1);
  });

  test("does not keep an answer that cannot declare its sources", async () => {
    const { feed } = feedOf();
    const { versions, read } = rowsOf(feed);
    versions.set("undeclared", 1);
    expect(await read("undeclared")).toBe(1);
    versions.set("undeclared", 2);
    expect(await read("undeclared")).toBe(2);
  });

  test("keeps nothing while changes cannot be heard, and nothing from before", async () => {
    const { feed, audit } = feedOf();
    const { versions, get, arrive, read, readings } = rowsOf(feed);
    versions.set("a", 1);
    await read("a");
    feed.hears = false;
    audit(null);
    versions.set("a", 2);
    expect([await read("a"), await read("a")]).toEqual([2, 2]);
    expect(readings()).toBe(3);
    const begunDeaf = get("a");
    versions.set("a", 3);
    feed.hears = true;
    audit(null);
    await arrive();
    await begunDeaf;
    expect(await read("a")).toBe(3);
  });

  test("forgets the oldest when full, and what is past its time", async () => {
    const { feed } = feedOf();
    const { versions, read, readings } = rowsOf(feed);
    for (const id of ["a", "b", "c", "d"]) {
      versions.set(id, 1);
      await read(id);
    }
    await read("d");
    expect(readings()).toBe(4);
    await read("a");
    expect(readings()).toBe(5);
    const timed = rowsOf(feed, () => Date.now());
    timed.versions.set("a", 1);
    await timed.read("a");
    await timed.read("a");
    expect(timed.readings()).toBe(2);
  });

  test("a change of a system role, or a missed one, makes everything stale", async () => {
    const { feed, audit } = feedOf();
    const { versions, read } = rowsOf(feed);
    versions.set("a", 1);
    await read("a");
    versions.set("a", 2);
    audit({ table: "roles", orgId: null, id: "x" });
    expect(await read("a")).toBe(2);
  });

  test("never answers with less than was committed and told, whatever the order", async () => {
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
        // What has been told of is the least that a reading begun afterwards may answer.
        const told = new Map([
          ["a", 0],
          ["b", 0],
        ]);
        const answers: Promise<void>[] = [];
        for (const { do: what, id } of steps) {
          if (what === "write") versions.set(id, (versions.get(id) ?? 0) + 1);
          else if (what === "tell") {
            user(id);
            told.set(id, versions.get(id) ?? 0);
          } else if (what === "arrive") await arrive();
          else if (what === "deaf") {
            feed.hears = !feed.hears;
            audit(null);
            for (const [key, version] of versions) told.set(key, version);
          } else {
            const least = told.get(id) ?? 0;
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
