// Thorough: random steps over many rounds.
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { excessPermissions, grants, systemRoles } from "#shared/permissions.js";
import { systemRoleIds } from "../../../../db/migrate.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { getPermissions } from "#test/support/fixtures/permissions.js";

/*
 * Random users with changing roles create keys, and keys create keys. At any time a key has no
 * permission that its owner's role or its creator lacks.
 */

const roles = ["admin", "member", "viewer"] as const;
type Role = (typeof roles)[number];
const patterns = ["*", "org:*", "org:read", "project:*", "project:read", "agent:*", "agent:run"];

interface Person extends TestPerson {
  memberId: string;
  role: Role | null;
}
interface Key {
  person: Person;
  maker: Key | null;
  pattern: string;
  api: Client;
}

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let people: Person[];
beforeAll(async () => {
  app = await sharedTestApp();
  owner = await app.person("owner");
  org = await makeOrganization(owner);
  people = await Promise.all(
    roles.map(async () => {
      const person = await app.person();
      return { ...person, memberId: await join(person.id), role: "viewer" as const };
    }),
  );
});

const params = () => ({ org_id: org.id });

async function join(userId: string): Promise<string> {
  const body = { user_id: userId, role_id: systemRoleIds.viewer };
  return (await owner.api.members.add({ params: params(), body })).data.id;
}

async function setRole(person: Person, role: Role | null): Promise<void> {
  const member = { params: { ...params(), member_id: person.memberId } };
  if (role === null) {
    if (person.role !== null) await owner.api.members.remove(member);
  } else {
    if (person.role === null) person.memberId = await join(person.id);
    const body = { role_id: systemRoleIds[role] };
    const of = { params: { ...params(), member_id: person.memberId } };
    await owner.api.members.update({ ...of, body });
  }
  person.role = role;
}

const whole = (pattern: string): string => (pattern === "*" ? "*:*" : pattern);

/**
 * The model's permissions of a key: the intersection of its scopes, its creators' and its owner's role.
 */
function mayHold({ person, maker, pattern }: Key, permission: string): boolean {
  const held = person.role === null ? [] : systemRoles[person.role].permissions;
  const isWithin = grants(held, permission) && grants([whole(pattern)], permission);
  return isWithin && (maker === null || mayHold(maker, permission));
}

async function make(by: Client, person: Person, maker: Key | null, pattern: string) {
  const body = { name: "k", scopes: [`org:${org.slug}:${pattern}`] };
  const made = await by.apiKeys.create({ body }).catch(() => null);
  // A key creates no key wider than itself.
  if (maker && excessPermissions([whole(pattern)], [whole(maker.pattern)]).length > 0) {
    expect(made).toBeNull();
  }
  return made && { person, maker, pattern, api: app.client(made.data.key as string) };
}

async function check(key: Key): Promise<void> {
  const held = await getPermissions(key.api, org.id).catch(() => null);
  for (const permission of held?.effective_permissions ?? []) {
    expect([permission, mayHold(key, permission)]).toEqual([permission, true]);
  }
  if (mayHold(key, "org:read")) expect(held).not.toBeNull();
}

test("no key ever has a permission that its creator lacked", async () => {
  const who = fc.nat({ max: roles.length - 1 });
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("role" as const),
      who,
      role: fc.option(fc.constantFrom(...roles)),
    }),
    fc.record({ kind: fc.constant("key" as const), who, pattern: fc.constantFrom(...patterns) }),
    fc.record({
      kind: fc.constant("child" as const),
      of: fc.nat(),
      pattern: fc.constantFrom(...patterns),
    }),
    fc.record({ kind: fc.constant("use" as const), of: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const keys: Key[] = [];
      for (const step of steps) {
        const key = "of" in step ? keys[step.of % keys.length] : undefined;
        const person = "who" in step ? (people[step.who] as Person) : undefined;
        if (step.kind === "role" && person) await setRole(person, step.role);
        const made =
          step.kind === "key" && person
            ? await make(person.api, person, null, step.pattern)
            : step.kind === "child" && key
              ? await make(key.api, key.person, key, step.pattern)
              : null;
        if (made) keys.push(made);
        if (step.kind === "use" && key) await check(key);
      }
      for (const key of keys) await check(key);
    }),
    { numRuns: 15 },
  );
});
