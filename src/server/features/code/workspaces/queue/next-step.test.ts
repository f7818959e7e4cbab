import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextStep, type Verdict } from "./next-step.js";

/** A queue of requests whose candidates pass or fail by a rule, without git. */
class SimulatedQueue {
  readonly checked: string[] = [];
  readonly landed: string[] = [];
  readonly rejected: { name: string; wasBrokenBefore: boolean }[] = [];
  #clock = 0;
  readonly #results = new Map<string, Verdict>();
  readonly #passes: (names: readonly string[]) => boolean;

  constructor(passes: (names: readonly string[]) => boolean) {
    this.#passes = passes;
  }

  run(requests: readonly string[]): this {
    const queue = [...requests];
    while (queue.length > 0) {
      const batch = queue.slice(0, 5);
      const candidates = Array.from({ length: batch.length + 1 }, (_none, at) => at).map(
        (count) => [...this.landed, ...batch.slice(0, count)],
      );
      const verdicts = candidates.map(
        (names) => this.#results.get(names.join()) ?? ({ status: "unknown" } as const),
      );
      const step = nextStep(verdicts);
      if (step.action === "land") this.landed.push(...queue.splice(0, step.count));
      else if (step.action === "reject") {
        const { wasBrokenBefore } = step;
        this.rejected.push({ name: queue.shift() as string, wasBrokenBefore });
      } else this.#check(candidates[step.count] as string[]);
    }
    return this;
  }

  #check(names: readonly string[]): void {
    this.checked.push(names.join());
    const requestedAt = this.#tick();
    const status = this.#passes(names) ? "passed" : "failed";
    this.#results.set(names.join(), { status, requestedAt, endedAt: this.#tick() });
  }

  #tick(): string {
    this.#clock += 1;
    return String(this.#clock).padStart(9, "0");
  }
}

const five = ["r1", "r2", "r3", "r4", "r5"];

describe("the next step of a merge queue", () => {
  test("a batch that passes lands after one check", () => {
    const queue = new SimulatedQueue(() => true).run(five);
    expect(queue.checked).toEqual([five.join()]);
    expect(queue.landed).toEqual(five);
  });

  test.each(five)("%s alone fails: at most three further checks find it", (bad) => {
    const queue = new SimulatedQueue((names) => !names.includes(bad)).run(five);
    expect(queue.rejected).toEqual([{ name: bad, wasBrokenBefore: false }]);
    expect(queue.landed).toEqual(five.filter((name) => name !== bad));
    const foundAt = queue.checked.filter((names) => names.includes(bad)).length;
    expect(foundAt).toBeGreaterThan(0);
    // The last checks are those of the requests behind it.
    const behind = five.length - five.indexOf(bad) - 1 > 0 ? 1 : 0;
    expect(queue.checked.length - 1 - behind).toBeLessThanOrEqual(3);
  });

  test("on a branch that is broken already, only a repair lands", () => {
    const queue = new SimulatedQueue((names) => names.includes("r3")).run(["r1", "r2", "r3", "r4"]);
    // The whole batch passes, because it contains the repair.
    expect(queue.landed).toEqual(["r1", "r2", "r3", "r4"]);
    const without = new SimulatedQueue(() => false).run(["r1", "r2"]);
    expect(without.landed).toEqual([]);
    expect(without.rejected).toEqual([
      { name: "r1", wasBrokenBefore: true },
      { name: "r2", wasBrokenBefore: true },
    ]);
  });

  test("an earlier result of the branch does not count after a failure", () => {
    const failed = { status: "failed", requestedAt: "3", endedAt: "4" } as const;
    const before = { status: "passed", requestedAt: "1", endedAt: "2" } as const;
    const after = { status: "passed", requestedAt: "5", endedAt: "6" } as const;
    expect(nextStep([before, failed])).toEqual({ action: "check", count: 0 });
    expect(nextStep([after, failed])).toEqual({ action: "reject", wasBrokenBefore: false });
  });

  test("whatever fails, no good request is rejected, and only checked states land", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }), (areGood) => {
        const names = areGood.map((isGood, at) => `${isGood ? "good" : "bad"}${at}`);
        const passes = (all: readonly string[]): boolean =>
          all.every((name) => name.startsWith("good"));
        const queue = new SimulatedQueue(passes).run(names);
        expect(queue.landed).toEqual(names.filter((name) => name.startsWith("good")));
        expect(queue.rejected.map(({ name }) => name)).toEqual(
          names.filter((name) => name.startsWith("bad")),
        );
        // Each request costs a few checks at most.
        expect(queue.checked.length).toBeLessThanOrEqual(4 * names.length + 4);
      }),
    );
  });
});
