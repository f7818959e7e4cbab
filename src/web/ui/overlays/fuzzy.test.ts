import { describe, expect, test } from "vitest";
import { fuzzyScore } from "./fuzzy.js";

const best = (typed: string, ...texts: string[]): string | undefined =>
  texts
    .map((text) => ({ text, score: fuzzyScore(text, typed) }))
    .filter(({ score }) => score > 0)
    .toSorted((left, right) => right.score - left.score)[0]?.text;

describe("fuzzy search", () => {
  test("matches word starts, runs, and letters in order", () => {
    expect(best("na", "Manage", "New agent")).toBe("Manage");
    expect(best("nag", "Signing away", "New agent")).toBe("New agent");
    expect(best("wrk2", "worker-1", "worker-2")).toBe("worker-2");
    expect(best("auth ser", "Auth Service", "Author search")).toBe("Auth Service");
  });

  test("ranks prefixes above substrings", () => {
    expect(best("beta", "Alphabeta", "Beta Inc")).toBe("Beta Inc");
  });

  test("matches nothing if a letter is missing, and everything for empty input", () => {
    expect(fuzzyScore("worker-1", "wx")).toBe(0);
    expect(fuzzyScore("worker-1", " ")).toBeGreaterThan(0);
  });
});
