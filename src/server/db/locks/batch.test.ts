import { describe, expect, onTestFinished, test, vi } from "vitest";
import { batched } from "./batch.js";

describe("batched look-ups", () => {
  /** A controllable load that records the keys it was called with. */
  const controlled = () => {
    const asked: string[][] = [];
    const waiting: ((error?: Error) => void)[] = [];
    let arrived: (() => void) | undefined;
    const load = (keys: string[]): Promise<Map<string, string>> => {
      asked.push(keys);
      arrived?.();
      return new Promise((resolve, reject) => {
        waiting.push((error) =>
          error
            ? reject(error)
            : resolve(
                new Map(
                  keys.filter((key) => !key.startsWith("absent")).map((key) => [key, `of ${key}`]),
                ),
              ),
        );
      });
    };
    const nextLoad = (): Promise<void> =>
      new Promise((resolve) => {
        arrived = resolve;
      });
    return { asked, waiting, nextLoad, find: batched(load) };
  };

  test("join the keys of one turn, deduplicated, and resolve absent keys to undefined", async () => {
    const { asked, waiting, nextLoad, find } = controlled();
    const loaded = nextLoad();
    const answers = Promise.all(["a", "b", "a", "absent"].map(find));
    await loaded;
    waiting[0]?.();
    expect(await answers).toEqual(["of a", "of b", "of a", undefined]);
    expect(asked).toEqual([["a", "b", "absent"]]);
  });

  test("read keys requested during a query after it, also the same key", async () => {
    const { asked, waiting, nextLoad, find } = controlled();
    const first = nextLoad();
    const early = find("a");
    await first;
    const second = nextLoad();
    const late = Promise.all([find("a"), find("b")]);
    expect(asked).toEqual([["a"]]);
    waiting[0]?.();
    expect(await early).toBe("of a");
    await second;
    expect(asked).toEqual([["a"], ["a", "b"]]);
    waiting[1]?.();
    expect(await late).toEqual(["of a", "of b"]);
  });

  test("join several turns after many absent keys", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const { asked, waiting, nextLoad, find } = controlled();
    const first = nextLoad();
    const guesses = Promise.all(Array.from({ length: 9 }, (_, number) => find(`absent ${number}`)));
    await first;
    waiting[0]?.();
    expect(new Set(await guesses)).toEqual(new Set([undefined]));
    const second = nextLoad();
    const later: Promise<string | undefined>[] = [];
    for (const key of ["a", "b", "c"]) {
      await new Promise((resolve) => setImmediate(resolve));
      later.push(find(key));
    }
    vi.runOnlyPendingTimers();
    await second;
    waiting[1]?.();
    expect(await Promise.all(later)).toEqual(["of a", "of b", "of c"]);
    expect(asked.slice(1)).toEqual([["a", "b", "c"]]);
  });

  test("fail together and then work again", async () => {
    const { waiting, nextLoad, find } = controlled();
    const first = nextLoad();
    const failing = Promise.allSettled([find("a"), find("b")]);
    await first;
    waiting[0]?.(new Error("no database"));
    expect((await failing).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    const second = nextLoad();
    const next = find("a");
    await second;
    waiting[1]?.();
    expect(await next).toBe("of a");
  });
});
