import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAllowedHost, notCovered, parseAllowedHost, type AllowedHost } from "./egress.js";

const entries = (...texts: string[]): AllowedHost[] =>
  texts.map((text) => parseAllowedHost(text) as AllowedHost);

describe("an entry of an allow-list", () => {
  it("is a name, names below a name, or one port", () => {
    expect(parseAllowedHost("API.Example.com")).toEqual({
      name: "api.example.com",
      isWildcard: false,
      ports: [443, 80],
    });
    expect(parseAllowedHost("*.npmjs.org")).toMatchObject({ name: "npmjs.org", isWildcard: true });
    expect(parseAllowedHost("git.example.com:8443")).toMatchObject({ ports: [8443] });
    expect(parseAllowedHost("localhost")).toMatchObject({ name: "localhost" });
    expect(parseAllowedHost("xn--bcher-kva.example")).toMatchObject({ isWildcard: false });
  });

  it.each([
    ["https://example.com", "without a scheme"],
    ["example.com/path", "without a scheme"],
    ["user@example.com", "without a scheme"],
    ["example.com?x", "without a scheme"],
    ["bücher.example", "Punycode"],
    ["ex ample.com", "Punycode"],
    ["127.0.0.1", "addresses"],
    ["10.1:80", "addresses"],
    ["[::1]:443", "addresses"],
    ["2001:db8::1", "addresses"],
    ["example.0x7f", "addresses"],
    ["example.7", "addresses"],
    ["example.com:0", "port"],
    ["example.com:65536", "port"],
    ["example.com:", "port"],
    ["example.com:https", "port"],
    ["api.*.com", "first label"],
    ["*", "first label"],
    ["*.*.com", "first label"],
    ["*.com", "two labels"],
    ["", "not a host name"],
    [".example.com", "not a host name"],
    ["example..com", "not a host name"],
    ["-a.example.com", "not a host name"],
    [`${"a".repeat(64)}.com`, "not a host name"],
    [`${"a.".repeat(130)}com`, "not a host name"],
  ])("is not %j", (text, reason) => {
    expect(parseAllowedHost(text)).toContain(reason);
  });
});

it("an allow-list admits its names, names below a wildcard, and their ports", () => {
  const list = entries("example.com", "*.npmjs.org", "git.example.com:8443");
  const admitted = (host: string, port = 443): boolean => isAllowedHost(list, host, port);
  expect(admitted("example.com")).toBe(true);
  expect(admitted("EXAMPLE.com.", 80)).toBe(true);
  expect(admitted("registry.npmjs.org")).toBe(true);
  expect(admitted("a.b.npmjs.org")).toBe(true);
  expect(admitted("git.example.com", 8443)).toBe(true);
  for (const host of ["npmjs.org", "evilnpmjs.org", "example.com.evil", "www.example.com", ""]) {
    expect(admitted(host)).toBe(false);
  }
  expect(admitted("example.com", 22)).toBe(false);
  expect(admitted("git.example.com")).toBe(false);
  expect(isAllowedHost([], "example.com", 443)).toBe(false);
});

describe("a list that is covered by another", () => {
  it("has no host beyond it", () => {
    const by = ["*.example.com", "git.example.org:8443", "api.test"];
    for (const entry of [
      "a.example.com",
      "*.b.example.com:443",
      "*.example.com:80",
      "API.test:80",
    ]) {
      expect(notCovered([entry], by)).toBe(null);
    }
    for (const entry of ["example.com", "a.example.com:22", "*.api.test", "git.example.org"]) {
      expect(notCovered(["a.example.com", entry], by)).toBe(entry);
    }
    expect([notCovered([], []), notCovered(["a.test"], [])]).toEqual([null, "a.test"]);
  });

  it("admits nothing that the other denies", () => {
    const label = fc.constantFrom("a", "b", "c");
    const host = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join("."));
    const port = fc.constantFrom("", ":443", ":80", ":8443");
    const entry = fc
      .tuple(fc.boolean(), host, port)
      .map(([isWildcard, name, at]) => `${isWildcard ? "*." : ""}${name}${at}`);
    const list = fc.array(entry, { maxLength: 4 });
    fc.assert(
      fc.property(list, list, host, fc.constantFrom(80, 443, 8443), (narrow, wide, name, at) => {
        if (notCovered(narrow, wide) !== null) return;
        if (isAllowedHost(entries(...narrow), name, at)) {
          expect(isAllowedHost(entries(...wide), name, at)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
