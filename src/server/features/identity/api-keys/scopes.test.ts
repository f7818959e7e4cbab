import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expand, grants, permissionNames } from "#shared/permissions.js";
import { areWithin, suggestScopes, patternsIn, type PermissionUse } from "./scopes.js";

const [one, two] = ["018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"];
const use = (permission: string, organization_id: string | null = one): PermissionUse => ({
  organization_id,
  permission,
});

describe("suggested scopes", () => {
  test.each([
    ["nothing used", ["*:*"], [], null],
    ["one of all", [`org:${one}:*`], [use("org:read")], [`org:${one}:org:read`]],
    ["all access to one", ["*:*"], [use("org:read")], [`org:${one}:org:read`]],
    ["what needs full access", ["*:*"], [use("*:*", null), use("org:read")], null],
    ["all of it in one", ["*:*"], [use("*:*")], [`org:${one}:*`]],
    ["all that there is", [`org:${one}:org:read`], [use("org:read")], null],
    ["what it may not any more", [`org:${one}:org:read`], [use("org:write")], null],
    [
      "everywhere",
      ["*:*"],
      [use("org:read", null)],
      [`org:${one}:org:read`, `org:${two}:org:read`],
    ],
    [
      "a wildcard that was used up",
      [`org:${one}:project:git:*`, `org:${one}:agent:*`],
      [use("project:git:read"), use("project:git:write"), use("agent:read")],
      [`org:${one}:agent:read`, `org:${one}:project:git:*`],
    ],
  ] as const)("of %s", (_what, scopes, uses, expected) => {
    expect(suggestScopes([...scopes], [one, two], [...uses])).toEqual(expected);
  });

  test("are within the key's scopes and allow all recorded uses", () => {
    const pattern = fc.constantFrom("*", "org:*", "project:*", "agent:*", ...permissionNames);
    const org = fc.constantFrom(one, two);
    const scope = fc.oneof(
      fc.constant("*:*"),
      fc.tuple(org, pattern).map(([id, text]) => `org:${id}:${text}`),
    );
    const used = fc.record({
      organization_id: fc.option(org),
      permission: fc.constantFrom(...permissionNames),
    });
    fc.assert(
      fc.property(
        fc.array(scope, { minLength: 1, maxLength: 5 }),
        fc.array(used, { maxLength: 12 }),
        (scopes, uses) => {
          const fewer = suggestScopes(scopes, [one, two], uses);
          if (fewer === null) return;
          expect(areWithin(scopes, fewer)).toBe(true);
          for (const orgId of [one, two]) {
            const used = uses.filter(({ organization_id }) =>
              [null, orgId].includes(organization_id),
            );
            const permissions = new Set(used.map(({ permission }) => permission));
            for (const permission of expand(patternsIn(scopes, orgId))) {
              const isKept = grants(patternsIn(fewer, orgId), permission);
              expect([permission, isKept]).toEqual([permission, permissions.has(permission)]);
            }
          }
        },
      ),
    );
  });
});
