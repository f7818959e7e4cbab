import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  excessPermissions,
  expand,
  grants,
  isKnownPattern,
  matches,
  patternsFor,
  permissionNames,
  permissions,
  systemRoles,
} from "./permissions.js";

const onlyByName = new Set(["org:archive", "org:transfer", "agent:network:full"]);

describe("matches", () => {
  test.each([
    ["*:*", "org:read", true],
    ["*:*", "org:archive", true],
    ["org:read", "org:read", true],
    ["org:*", "org:read", true],
    ["org:*", "org:members:read", true],
    ["org:members:*", "org:members:read", true],
    ["org:archive", "org:archive", true],
    ["org:*", "org:archive", false],
    ["org:*", "org:transfer", false],
    ["agent:*", "agent:network:full", false],
    ["agent:network:*", "agent:network:full", false],
    ["agent:network:full", "agent:network:full", true],
    ["org:members:*", "org:members", false],
    ["org:*", "org", false],
    ["org:*", "organization:read", false],
    ["org:read", "org:read:all", false],
    ["org:re*", "org:read", false],
    ["org:mem*", "org:members:read", false],
    ["org*", "org:read", false],
    ["*", "org:read", false],
    ["*:read", "org:read", false],
    ["*:read", "*:read", true],
    ["org:*:read", "org:members:read", false],
    ["org:*:*", "org:members:read", false],
    ["*:*:*", "org:members:read", false],
    [":*", ":x", false],
    ["", "org:read", false],
    ["ORG:*", "org:read", false],
    ["org:Read", "org:read", false],
    ["org:* ", "org:read", false],
    [" org:*", "org:read", false],
    ["project:*", "project:git:read", true],
    ["project:git:*", "project:read", false],
  ])("%s covers %s: %s", (pattern, permission, covered) => {
    expect(matches(pattern, permission)).toBe(covered);
  });

  const part = fc.stringMatching(/^[a-z]{1,4}$/);
  const parts = fc.array(part, { minLength: 2, maxLength: 4 });

  test("a wildcard covers exactly the names that extend its parts", () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), parts, (stem, permission) => {
        const covered =
          permission.length > stem.length &&
          stem.every((each, index) => permission[index] === each);
        const names = [`${stem.join(":")}:*`, permission.join(":")] as const;
        expect(matches(...names)).toBe(covered && !onlyByName.has(names[1]));
      }),
    );
  });

  test("a pattern without a final star covers only itself", () => {
    const mixed = fc.array(fc.oneof(part, fc.constant("*")), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(mixed, part, parts, (begin, end, permission) => {
        const pattern = [...begin, end].join(":");
        expect(matches(pattern, permission.join(":"))).toBe(pattern === permission.join(":"));
      }),
    );
  });

  test("a star elsewhere is not a wildcard", () => {
    fc.assert(
      fc.property(parts, fc.nat(), (permission, where) => {
        const place = where % (permission.length - 1);
        const pattern = permission.map((each, index) => (index === place ? "*" : each)).join(":");
        expect(matches(pattern, permission.join(":"))).toBe(false);
        if (permission.length > 2) {
          const open = [...pattern.split(":").slice(0, -1), "*"].join(":");
          expect(matches(open, permission.join(":"))).toBe(false);
        }
      }),
    );
  });
});

describe("sets of patterns", () => {
  const pattern = fc.oneof(
    fc.constantFrom(...permissionNames),
    fc.constantFrom("*:*", "org:*", "project:*", "agent:*", "org:members:*", "project:git:*"),
    fc.constantFrom("org:fly", "*", "", "ORG:*"),
  );
  const patterns = fc.array(pattern, { maxLength: 6 });

  test("grant what one of them covers, and expand to exactly that, in the registry's order", () => {
    fc.assert(
      fc.property(patterns, (held) => {
        const expanded = expand(held);
        expect(expanded).toEqual(permissionNames.filter((name) => grants(held, name)));
        expect(expanded).toEqual(
          permissionNames.filter((name) => held.some((each) => matches(each, name))),
        );
        expect(expand(expanded)).toEqual(expanded);
      }),
    );
    expect(expand([])).toEqual([]);
    expect(expand(["*:*"])).toEqual(Object.keys(permissions));
  });

  test("exceed a held set by exactly the permissions they would add", () => {
    fc.assert(
      fc.property(patterns, patterns, (wanted, held) => {
        const beyond = excessPermissions(wanted, held);
        for (const name of permissionNames) {
          expect(beyond.includes(name)).toBe(grants(wanted, name) && !grants(held, name));
        }
        expect(excessPermissions(wanted, [...held, ...beyond])).toEqual([]);
        expect(excessPermissions(held, held)).toEqual([]);
        expect(excessPermissions(wanted, ["*:*"])).toEqual([]);
      }),
    );
  });

  test("an admin's exceed a viewer's; an owner's exceed an admin's by the owner-only ones", () => {
    expect(excessPermissions(systemRoles.owner.permissions, systemRoles.admin.permissions)).toEqual(
      ["org:archive", "org:transfer"],
    );
    expect(
      excessPermissions(systemRoles.viewer.permissions, systemRoles.admin.permissions),
    ).toEqual([]);
    expect(
      excessPermissions(systemRoles.member.permissions, systemRoles.viewer.permissions),
    ).toContain("project:write");
    for (const [name, role] of Object.entries(systemRoles)) {
      for (const each of role.permissions)
        expect([name, isKnownPattern(each)]).toEqual([name, true]);
    }
  });

  test.each([
    ["*:*", true],
    ["org:*", true],
    ["org:members:*", true],
    ["org:archive", true],
    ["project:git:read", true],
    ["org:fly", false],
    ["org:read:*", false],
    ["org:archive:*", false],
    ["*", false],
    ["org", false],
    ["fly:*", false],
    ["org:re*", false],
    ["*:read", false],
    ["", false],
  ])("%s is known: %s", (each, known) => {
    expect(isKnownPattern(each)).toBe(known);
  });
});

describe("patternsFor", () => {
  const patterns = [
    ...permissionNames,
    "*:*",
    "org:*",
    "org:members:*",
    "org:secrets:*",
    "org:webhooks:*",
    "org:forges:*",
    "org:service-accounts:*",
    "project:*",
    "project:git:*",
    "project:protection:*",
    "agent:*",
  ];

  test.each([
    [
      "agent",
      /^(org:(secrets|webhooks|forges|service-accounts):|project:(protection:|approve$|automation:write$))/,
    ],
    ["service_account", /^project:protection:/],
    ["user", /^$/],
  ] as const)("of a kind (%s) covers the same permissions except those withheld", (kind, not) => {
    fc.assert(
      fc.property(fc.subarray(patterns), (some) => {
        const expected = expand(some).filter((permission) => !not.test(permission));
        expect(expand(patternsFor(kind, some))).toEqual(expected);
      }),
    );
  });

  test("keeps patterns as wide as they may be", () => {
    expect(patternsFor("agent", ["agent:*", "org:read"])).toEqual(["agent:*", "org:read"]);
    expect(patternsFor("agent", ["org:secrets:*", "org:secrets:read", "org:webhooks:*"])).toEqual(
      [],
    );
    const wide = patternsFor("agent", ["*:*"]);
    expect(wide).toEqual(expect.arrayContaining(["agent:*", "project:git:*", "org:members:*"]));
    expect(wide).not.toContain("org:*");
    expect(wide).not.toContain("project:*");
    expect(patternsFor("service_account", ["org:*", "project:*"])).toEqual([
      "org:*",
      "project:read",
      "project:write",
      "project:delete",
      "project:task:*",
      "project:automation:*",
      "project:approve",
      "project:git:*",
    ]);
    expect(patternsFor("user", ["*:*"])).toEqual(["*:*"]);
  });
});
