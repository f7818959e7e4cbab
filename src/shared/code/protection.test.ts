import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isAsStrict,
  protectionOf,
  weakenedApprovals,
  type ProtectedBranch,
  type Protection,
} from "./protection.js";

const rule = (pattern: string, further: Partial<ProtectedBranch> = {}): ProtectedBranch => ({
  pattern,
  checks: [],
  approvals: 0,
  strategy: null,
  dismiss_stale_approvals: true,
  resolve_threads: false,
  reviews: [],
  ...further,
});
const main = rule("main", { approvals: 2, checks: ["test"] });
const releases = rule("release/*", { approvals: 1 });
const withEntries = (
  entries: ProtectedBranch[],
  checks: Record<string, object> = { test: { command: ["npm", "test"] } },
): Protection => ({ entries, checks: new Map(Object.entries(checks)) });
const both = withEntries([main, releases]);

describe("weakenedApprovals", () => {
  test.each<[string, Protection, number]>([
    ["nothing", both, 0],
    ["a new entry of other branches", withEntries([rule("docs"), main, releases]), 0],
    ["a stricter rule", withEntries([{ ...main, approvals: 3 }, releases]), 0],
    ["a stricter rule before", withEntries([rule("**", main), main, releases]), 0],
    ["another order of names", withEntries([releases, main]), 0],
    ["a further check", withEntries([{ ...main, checks: ["lint", "test"] }, releases]), 0],
    ["a strategy", withEntries([{ ...main, strategy: "manual" }, releases]), 0],
    ["a further definition", withEntries([main, releases], { ...checks(), lint: {} }), 0],
    ["an empty list", withEntries([]), 2],
    ["a removed entry", withEntries([main]), 1],
    ["fewer approvals", withEntries([{ ...main, approvals: 1 }, releases]), 2],
    ["no check", withEntries([{ ...main, checks: [] }, releases]), 2],
    ["another name", withEntries([{ ...main, pattern: "mainline" }, releases]), 2],
    ["a narrower pattern", withEntries([main, { ...releases, pattern: "release/1*" }]), 1],
    ["a weaker rule before", withEntries([rule("m*"), main, releases]), 2],
    ["a weaker name before", withEntries([rule("release/1"), main, releases]), 1],
    ["another definition", withEntries([main, releases], { test: { command: ["true"] } }), 2],
    ["no definition", withEntries([main, releases], {}), 2],
  ])("%s", (_title, after, approvals) => {
    expect(weakenedApprovals(both, after)).toBe(approvals);
  });

  function checks(): Record<string, object> {
    return { test: { command: ["npm", "test"] } };
  }

  test("a strategy that is no longer prescribed", () => {
    const before = withEntries([{ ...main, strategy: "manual" }]);
    expect(weakenedApprovals(before, withEntries([main]))).toBe(2);
    const other = withEntries([{ ...main, strategy: "newest_file_wins" }]);
    expect(weakenedApprovals(before, other)).toBe(2);
  });

  test("a rule without approvals is changed without any", () => {
    const before = withEntries([rule("main", { checks: ["test"] })]);
    expect(weakenedApprovals(before, withEntries([], {}))).toBe(0);
  });

  test("leaves no branch with less unless it asks for approvals", () => {
    const patterns = [
      "main",
      "release/1",
      "release/*",
      "release/**",
      "*",
      "**",
      "m*",
      "*/1",
      "a/b",
    ];
    const branches = [
      "main",
      "m",
      "a",
      "a/b",
      "a/1",
      "release/1",
      "release/2",
      "release/1/2",
      "b/c",
    ];
    const entry = fc.record({
      pattern: fc.constantFrom(...patterns),
      checks: fc.subarray(["test", "lint"]),
      approvals: fc.nat({ max: 2 }),
      strategy: fc.constantFrom(null, "manual" as const),
      dismiss_stale_approvals: fc.boolean(),
      resolve_threads: fc.boolean(),
      reviews: fc.subarray([{ preset: "codex" as const, prompt: "" }]),
    });
    const list = fc.uniqueArray(entry, { selector: ({ pattern }) => pattern, maxLength: 5 });
    fc.assert(
      fc.property(list, list, (old, now) => {
        const needed = weakenedApprovals(withEntries(old, {}), withEntries(now, {}));
        for (const branch of branches) {
          const was = protectionOf(old, branch);
          if (was === undefined || was.approvals <= needed) continue;
          const is = protectionOf(now, branch);
          expect(is && isAsStrict(is, was)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
