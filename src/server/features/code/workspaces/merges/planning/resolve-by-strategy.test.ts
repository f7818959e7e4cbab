import { describe, expect, test } from "vitest";
import { resolveByStrategy, latest, type SideTime } from "./resolve-by-strategy.js";

const branches = { source: "workspace-worker-1", target: "main" };
const early = "2026-01-01T10:00:00.000Z";
const late = "2026-01-01T10:00:00.001Z";
const time = (at: string, sequence: number): SideTime => ({ at, sequence });

describe("decide", () => {
  test.each([
    { source: time(late, 1), target: time(early, 2), take: "source", why: "the newer one" },
    { source: time(early, 2), target: time(late, 1), take: "target", why: "the newer one" },
    { source: time(early, 9), target: time(early, 4), take: "source", why: "the later sequence" },
    { source: time(early, 4), target: time(early, 9), take: "target", why: "the later sequence" },
    { source: time(early, 0), target: time(early, 0), take: "source", why: "the workspace" },
    { source: time(early, 1), target: null, take: "source", why: "the only one" },
    { source: null, target: time(early, 1), take: "target", why: "the only one" },
    { source: null, target: null, take: "source", why: "the workspace" },
  ])("newest_file_wins takes the $take: $why", ({ source, target, take }) => {
    const decision = resolveByStrategy("newest_file_wins", { source, target }, branches);
    expect(decision.take).toBe(take);
    expect(decision.rule).toMatch(/^newest_file_wins: .+\.$/);
    expect(decision.rule).toContain(branches[decision.take]);
  });

  test.each(["source", "target"] as const)("%s_wins takes its side whatever the times", (side) => {
    for (const [one, other] of [
      [early, late],
      [late, early],
      [early, early],
    ] as const) {
      const times = { source: time(one, 1), target: time(other, 2) };
      expect(resolveByStrategy(`${side}_wins`, times, branches)).toEqual({
        take: side,
        rule: `${side}_wins: the version of ${branches[side]} is used.`,
      });
    }
    expect(resolveByStrategy(`${side}_wins`, { source: null, target: null }, branches).take).toBe(
      side,
    );
  });

  test("a tie is marked as one, a difference is not", () => {
    const tie = { source: time(early, 2), target: time(early, 1) };
    expect(resolveByStrategy("newest_file_wins", tie, branches).rule).toContain("same millisecond");
    const newer = { source: time(late, 2), target: time(early, 1) };
    expect(resolveByStrategy("newest_file_wins", newer, branches).rule).not.toContain(
      "same millisecond",
    );
  });
});

describe("latest", () => {
  test("is the newest time, and of equal times the later sequence", () => {
    expect(latest([])).toBeNull();
    expect(latest([time(early, 9), time(late, 1), time(early, 3)])).toEqual(time(late, 1));
    expect(latest([time(late, 1), time(late, 7), time(late, 3)])).toEqual(time(late, 7));
  });
});
