import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { driverOf, matchesPattern, patternError } from "./merge-drivers.js";

describe("patterns of merge drivers", () => {
  it.each([
    ["go.sum", "go.sum", true],
    ["go.sum", "api/go.sum", false],
    ["**/go.sum", "go.sum", true],
    ["**/go.sum", "a/b/go.sum", true],
    ["**/go.sum", "a/ago.sum", false],
    ["*.lock", "Cargo.lock", true],
    ["*.lock", "a/Cargo.lock", false],
    ["docs/**", "docs/a/b.md", true],
    ["docs/**", "docs.md", false],
    ["docs/**/*.yaml", "docs/a.yaml", true],
    ["docs/**/*.yaml", "docs/a/b/c.yaml", true],
    ["docs/**/*.yaml", "docs/a/b/c.yml", false],
    ["a*b*c", "aXbYbc", true],
    ["a*b*c", "aXbYbd", false],
    ["*", "", true],
    ["**", "a/b", true],
    ["a.c", "abc", false],
    ["**/x/**/y", "x/a/x/y/z/y", true],
  ])("%s on %s: %s", (pattern, path, expected) => {
    expect(matchesPattern(pattern, path)).toBe(expected);
  });

  it("agrees with a regular expression", () => {
    const part = fc.stringMatching(/^[ab*]{1,3}$/).filter((text) => !text.includes("**"));
    const pattern = fc.array(fc.oneof(part, fc.constant("**")), { minLength: 1, maxLength: 4 });
    const path = fc.array(fc.stringMatching(/^[ab]{1,3}$/), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(pattern, path, (parts, names) => {
        const source = parts.map((text) =>
          text === "**" ? "(?:[^/]+/)*" : `${text.replaceAll("*", "[^/]*")}/`,
        );
        const expected = new RegExp(`^${source.join("")}$`).test(`${names.join("/")}/`);
        expect(matchesPattern(parts.join("/"), names.join("/"))).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("matches many wildcards against a long path without backtracking", () => {
    expect(matchesPattern(`${"*a".repeat(99)}b`, "a".repeat(4000))).toBe(false);
    expect(matchesPattern(`${"**/a/".repeat(40)}b`, "a/".repeat(1500))).toBe(false);
  });

  it("takes the first match", () => {
    const drivers = [
      { pattern: "a/*.json", driver: "union" },
      { pattern: "**/*.json", driver: "json" },
    ] as const;
    expect(driverOf(drivers, "a/b.json")?.driver).toBe("union");
    expect(driverOf(drivers, "b.json")?.driver).toBe("json");
    expect(driverOf(drivers, "b.yaml")).toBeNull();
  });

  it.each(["/a", "a/", "a//b", "../a", "./a", "a\\b", "a\nb", "a**", "**b/c", ""])(
    "rejects %j",
    (pattern) => expect(patternError(pattern)).toMatch(/^must /),
  );

  it.each(["a", "**", "**/a*", "a b/ü"])("accepts %j", (pattern) => {
    expect(patternError(pattern)).toBeNull();
  });
});
