import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  commitComparer,
  type CommitPair,
  type CompareCommits,
  type Comparison,
} from "./compare-commits.js";

describe("the comparer of commits", () => {
  const compared: Comparison = { commits: 1, files: 1, additions: 2, deletions: 3 };
  /** Comparisons in progress, by head. */
  const running = new Map<string, { resolve: (result: Comparison) => void; fail: () => void }>();
  let begun: string[];
  const compare = ({ head }: CommitPair): Promise<Comparison | null> => {
    begun.push(head);
    return new Promise((resolve, reject) => {
      running.set(head, { resolve, fail: () => reject(new Error("damaged")) });
    });
  };
  const pair = (head: string, agentId: string | null = null): CommitPair => ({
    repoPath: "/r",
    base: "base",
    head,
    agentId,
  });
  const all = (answers: readonly ReturnType<CompareCommits>[]) =>
    Promise.all(answers.map(async (answer) => answer));
  /** Lets all promises that can settle do so. */
  const settle = () => new Promise((resolve) => void setImmediate(resolve));
  const end = async (head: string) => {
    running.get(head)?.resolve(compared);
    await settle();
  };
  beforeEach(() => {
    begun = [];
    running.clear();
    vi.useFakeTimers({ toFake: ["Date"] });
  });
  afterEach(() => void vi.useRealTimers());

  test("compares a pair once, for all that ask", async () => {
    const ask = commitComparer({ compare });
    const both = [ask("o", pair("a", "agent")), ask("o", pair("a", "other"))];
    await settle();
    await end("a");
    expect(await all(both)).toEqual([compared, compared]);
    expect(ask("o", pair("a"))).toEqual(compared);
    expect(begun).toEqual(["a"]);
  });

  test("skips all pairs of an agent between the one in progress and the newest", async () => {
    const ask = commitComparer({ compare });
    const first = ask("o", pair("a", "agent"));
    await settle();
    const second = ask("o", pair("b", "agent"));
    const third = ask("o", pair("c", "agent"));
    const fourth = ask("o", pair("d", "agent"));
    expect([await second, await third]).toEqual([null, null]);
    // Another agent has the second slot of the organization.
    void ask("o", pair("x", "other"));
    await settle();
    expect(begun).toEqual(["a", "x"]);
    await end("a");
    expect(begun).toEqual(["a", "x", "d"]);
    await end("d");
    expect([await first, await fourth]).toEqual([compared, compared]);
    // A pair that was skipped is not a failure.
    void ask("o", pair("b", "agent"));
    await settle();
    expect(begun).toEqual(["a", "x", "d", "b"]);
  });

  test("keeps a pair that another agent or a merge waits for", async () => {
    const ask = commitComparer({ compare });
    for (const head of ["1", "2"]) void ask("o", pair(head));
    await settle();
    const shared = [ask("o", pair("a", "agent")), ask("o", pair("a", "other"))];
    void ask("o", pair("b", "agent"));
    for (const head of ["1", "2", "a"]) await end(head);
    expect(await all(shared)).toEqual([compared, compared]);
  });

  test("takes no more than a number of pairs of an organization", async () => {
    const ask = commitComparer({ compare, maxPending: 3 });
    for (const head of ["a", "b", "c"]) void ask("o", pair(head, head));
    expect(ask("o", pair("d", "d"))).toBeNull();
    const newer = ask("o", pair("c2", "c"));
    void ask("other", pair("d", "d"));
    for (const head of ["a", "b", "c2"]) {
      await settle();
      await end(head);
    }
    expect(await newer).toEqual(compared);
    expect(begun).not.toContain("c");
    expect(ask("o", pair("e", "e"))).toBeInstanceOf(Promise);
  });

  test("tries a failure again after ten minutes", async () => {
    const ask = commitComparer({ compare });
    const failed = ask("o", pair("a", "agent"));
    await settle();
    running.get("a")?.fail();
    expect(await failed).toBeNull();
    expect(ask("o", pair("a", "agent"))).toBeNull();
    expect(begun).toEqual(["a"]);
    vi.setSystemTime(Date.now() + 10 * 60_000 + 1);
    const again = ask("o", pair("a", "agent"));
    await settle();
    await end("a");
    expect(await again).toEqual(compared);
  });

  test("ends a comparison that takes too long, and frees its slot", async () => {
    const hang = (_pair: CommitPair, signal: AbortSignal) =>
      new Promise<Comparison | null>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    const ask = commitComparer({ compare: hang, timeoutMs: 10 });
    const heads = ["a", "b", "c", "d", "e"];
    expect(await all(heads.map((head) => ask("o", pair(head))))).toEqual(heads.map(() => null));
  });
});
