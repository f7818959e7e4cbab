import fc from "fast-check";
import { api } from "#shared/api/index.js";
import type { Client } from "#shared/contract/client.js";
import type { Rows } from "./model.js";

/** The kinds of steps with their frequencies. */
const kinds = {
  create: 1,
  archive: 2,
  restore: 2,
  rename: 2,
  transfer: 2,
  add: 4,
  setRole: 4,
  remove: 2,
  makeRole: 2,
  changeRole: 4,
  deleteRole: 1,
  renamePerson: 1,
  makeKey: 3,
  narrowKey: 1,
  rotateKey: 1,
  revokeKey: 1,
  lockOutKey: 2,
  makeAccount: 2,
  changeAccount: 4,
  deleteAccount: 1,
  makeAccountKey: 3,
  rotateAccountKey: 1,
  revokeAccountKey: 1,
};
const kind = fc.constantFrom(
  ...(Object.keys(kinds) as (keyof typeof kinds)[]).flatMap((name) =>
    Array.from({ length: kinds[name] }, () => name),
  ),
);

const rolePatterns = ["org:read", "org:*", "org:members:read", "project:*", "*:*"] as const;
const scopePatterns = ["*", "org:*", "org:read", "project:read"] as const;

const pick = fc.nat({ max: 999 });

/**
 * A random change, and random choices of requests after it. Numbers select from the current rows.
 */
export const step = fc.record({
  kind,
  /** The server process that receives the change. */
  process: fc.nat({ max: 1 }),
  /** Most changes are valid and made by the owner; others are mostly refused. */
  isFitting: fc.nat({ max: 3 }).map((of) => of > 0),
  by: pick,
  org: pick,
  who: pick,
  role: pick,
  key: pick,
  patterns: fc.subarray([...rolePatterns], { maxLength: 2 }),
  scope: fc.constantFrom(...scopePatterns),
  /** Whether a role inherits nothing, or a key has full access. */
  isWide: fc.boolean(),
  /** Whether requests are also sent during the change. */
  isBusy: fc.nat({ max: 3 }).map((of) => of === 0),
  asked: fc.record({ who: pick, org: pick, permission: pick, key: pick, first: pick }),
});

export type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** The objects that a step may choose from. */
export interface World {
  rows: Rows;
  /** Each person's client on the step's process. */
  clients: ReadonlyMap<string, Client>;
  /** Returns an unused name. */
  newName: () => string;
}

/** A call that changes something. */
export interface Change {
  /** Whether every process knows the change once it is answered, or only the answering one. */
  revokes: boolean;
  run: () => Promise<{ status: number; data?: unknown }>;
  /** Whether a 201 response is needed later. */
  answers?: "organization" | "key";
}

export function pickFrom<Item>(items: readonly Item[], number: number): Item | undefined {
  return items[number % Math.max(items.length, 1)];
}

/** Beyond this number, existing ones are extended. */
const mostOrganizations = 4;

/** Returns the call of a step. */
export function changeForStep(chosen: Step, { rows, clients, newName }: World): Change {
  const { people, organizations, memberships, keys } = rows;
  const isFull = organizations.length >= mostOrganizations;
  const kind = chosen.kind === "create" && isFull ? "add" : chosen.kind;
  const org =
    pickFrom(
      organizations.filter(
        ({ is_active }) => chosen.isFitting && is_active === (kind !== "restore"),
      ),
      chosen.org,
    ) ?? pickFrom(organizations, chosen.org);
  const by = (chosen.isFitting && org?.owner_id) || pickFrom(people, chosen.by)?.id;
  const client = clients.get(by ?? "") as Client;
  const { organizations: orgs, members, roles, apiKeys, auth, serviceAccounts: accounts } = client;
  if (kind === "renamePerson") {
    const body = { full_name: newName() };
    return changing(api.auth.updateMe, () => auth.updateMe({ body }));
  }
  if (kind === "create" || !org) {
    const body = { name: newName() };
    const create = changing(api.organizations.create, () => orgs.create({ body }));
    return { ...create, answers: "organization" };
  }

  const params = { org_id: org.id };
  const membersHere = memberships.filter(({ org_id }) => org_id === org.id);
  const isMember = (id: string): boolean => membersHere.some(({ user_id }) => user_id === id);
  const who =
    pickFrom(
      people.filter(({ id }) => chosen.isFitting && isMember(id) === (kind !== "add") && id !== by),
      chosen.who,
    ) ?? (pickFrom(people, chosen.who) as Rows["people"][number]);
  const member = membersHere.find(({ user_id }) => user_id === who.id);
  const memberParams = { ...params, member_id: member?.id ?? org.id };
  const usable = rows.roles.filter(({ org_id }) => org_id === null || org_id === org.id);
  const role_id = pickFrom(usable, chosen.role)?.id as string;
  const custom = pickFrom(
    usable.filter(({ org_id }) => org_id !== null),
    chosen.role,
  );
  const roleParams = { ...params, role_id: custom?.id ?? role_id };
  const inherits_from = chosen.isWide ? null : (pickFrom(usable, chosen.who)?.id as string);
  const working = keys.filter(({ is_revoked }) => !is_revoked);
  const key = pickFrom(working, chosen.key);
  const keyParams = { key_id: key?.id ?? org.id };
  const holder = clients.get(key?.user_id ?? "") ?? client;
  const scope = `org:${org.slug}:${chosen.scope}`;
  const account = pickFrom(
    rows.accounts.filter(({ org_id }) => org_id === org.id),
    chosen.who,
  );
  const accountParams = { ...params, service_account_id: account?.id ?? org.id };
  const accountKey = pickFrom(
    working.filter(({ user_id }) => user_id === account?.id),
    chosen.key,
  );
  const accountKeyParams = { ...accountParams, key_id: accountKey?.id ?? org.id };

  switch (kind) {
    case "archive":
      return changing(api.organizations.archive, () => orgs.archive({ params }));
    case "restore":
      return changing(api.organizations.restore, () => orgs.restore({ params }));
    case "rename": {
      const name = newName();
      const body = { name, slug: name };
      return changing(api.organizations.update, () => orgs.update({ params, body }));
    }
    case "transfer": {
      const body = { user_id: who.id };
      return changing(api.organizations.transfer, () => orgs.transfer({ params, body }));
    }
    case "add": {
      const body = { user_id: who.id, role_id };
      return changing(api.members.add, () => members.add({ params, body }));
    }
    case "setRole": {
      const body = { role_id };
      return changing(api.members.update, () => members.update({ params: memberParams, body }));
    }
    case "remove":
      return changing(api.members.remove, () => members.remove({ params: memberParams }));
    case "makeRole": {
      const body = { name: newName(), permissions: chosen.patterns, inherits_from };
      return changing(api.roles.create, () => roles.create({ params, body }));
    }
    case "changeRole": {
      const body = { permissions: chosen.patterns, inherits_from };
      return changing(api.roles.update, () => roles.update({ params: roleParams, body }));
    }
    case "deleteRole":
      return changing(api.roles.remove, () => roles.remove({ params: roleParams }));
    case "makeKey": {
      const body = { name: "k", ...(chosen.isWide ? {} : { scopes: [scope] }) };
      const create = changing(api.apiKeys.create, () => apiKeys.create({ body }));
      return { ...create, answers: "key" };
    }
    case "narrowKey": {
      const narrowing = { params: keyParams, body: { scopes: [scope] } };
      return changing(api.apiKeys.narrow, () => holder.apiKeys.narrow(narrowing));
    }
    case "rotateKey": {
      const rotating = { params: keyParams };
      const rotate = changing(api.apiKeys.rotate, () => holder.apiKeys.rotate(rotating));
      return { ...rotate, answers: "key" };
    }
    case "revokeKey":
      return changing(api.apiKeys.revoke, () => holder.apiKeys.revoke({ params: keyParams }));
    case "makeAccount": {
      const body = { name: newName(), role_id };
      return changing(api.serviceAccounts.create, () => accounts.create({ params, body }));
    }
    case "changeAccount": {
      const body = chosen.isWide ? { is_active: account?.is_active !== true } : { role_id };
      const changes = { params: accountParams, body };
      return changing(api.serviceAccounts.update, () => accounts.update(changes));
    }
    case "deleteAccount":
      return changing(api.serviceAccounts.delete, () => accounts.delete({ params: accountParams }));
    case "makeAccountKey": {
      const body = { name: "k", ...(chosen.isWide ? {} : { scopes: [scope] }) };
      const making = { params: accountParams, body };
      const create = changing(api.serviceAccounts.createKey, () => accounts.createKey(making));
      return { ...create, answers: "key" };
    }
    case "rotateAccountKey": {
      const rotating = { params: accountKeyParams };
      const rotate = changing(api.serviceAccounts.rotateKey, () => accounts.rotateKey(rotating));
      return { ...rotate, answers: "key" };
    }
    case "revokeAccountKey": {
      const revoking = { params: accountKeyParams };
      return changing(api.serviceAccounts.revokeKey, () => accounts.revokeKey(revoking));
    }
    case "lockOutKey": {
      const both = { params: { ...params, ...keyParams } };
      return changing(api.apiKeys.shutOut, () => apiKeys.shutOut(both));
    }
  }
}

function changing({ revokes }: { revokes: boolean }, run: Change["run"]): Change {
  return { revokes, run };
}
