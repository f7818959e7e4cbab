import { ApiError, type Client } from "#shared/contract/client.js";
import type { Permission } from "#shared/permissions.js";
import type { AccessModel, Caller, Expected, KeyRow } from "./model.js";

/** A request to a server with the response expected by the model. */
export interface ModelRequest {
  what: string;
  expected: Expected;
  ask: () => Promise<unknown>;
}

const nameOf = ({ userId, key }: Caller): string => (key ? `key ${key.id}` : `person ${userId}`);

/** Compares only the fields that the model knows. */
export const modelRequests = {
  list: (model: AccessModel, caller: Caller, client: Client): ModelRequest => ({
    what: `list of ${nameOf(caller)}`,
    expected: model.list(caller),
    ask: async () => (await client.organizations.list()).data.map(({ usage: _, ...item }) => item),
  }),
  get: (model: AccessModel, caller: Caller, client: Client, org_id: string): ModelRequest => ({
    what: `${org_id} for ${nameOf(caller)}`,
    expected: model.get(caller, org_id),
    ask: async () => {
      const { data } = await client.organizations.get({ params: { org_id } });
      const { id, name, slug, owner_id, is_active } = data;
      return { id, name, slug, owner_id, is_active };
    },
  }),
  check: (
    model: AccessModel,
    caller: Caller,
    client: Client,
    org_id: string,
    check: Permission,
  ): ModelRequest => ({
    what: `check of ${check} in ${org_id} for ${nameOf(caller)}`,
    expected: model.check(caller, org_id, check),
    ask: async () => {
      const params = { org_id };
      const { data } = await client.organizations.permissions({ params, query: { check } });
      return "allowed" in data && { allowed: data.allowed, refused_by: data.refused_by };
    },
  }),
  members: (model: AccessModel, caller: Caller, client: Client, org_id: string): ModelRequest => ({
    what: `members of ${org_id} for ${nameOf(caller)}`,
    expected: model.members(caller, org_id),
    ask: async () => {
      const { data } = await client.members.list({ params: { org_id } });
      return data
        .toSorted((one, other) => (one.id < other.id ? -1 : 1))
        .map(({ id, display_name, email, role_name }) => ({ id, display_name, email, role_name }));
    },
  }),
  verify: (
    model: AccessModel,
    key: KeyRow,
    text: string,
    owner: Client,
    organization_id: string,
    permission: Permission,
  ): ModelRequest => ({
    what: `verify ${permission} in ${organization_id} of ${key.id}`,
    expected: model.verify(key, organization_id, permission),
    ask: async () => {
      const body = { key: text, organization_id, permission };
      return (await owner.apiKeys.verify({ body })).data.code;
    },
  }),
  me: (model: AccessModel, caller: Caller, client: Client): ModelRequest => ({
    what: `who ${nameOf(caller)} is`,
    expected: model.me(caller),
    ask: async () => {
      const { id, email, full_name } = (await client.auth.me()).data;
      return { id, email, full_name };
    },
  }),
};

/**
 * Sends the request and reduces the response to the expected fields; an error counts as a response.
 */
export async function responseTo({ what, expected, ask }: ModelRequest) {
  try {
    const data = await ask();
    return { what, status: 200, ...(expected.data === undefined ? {} : { data }) };
  } catch (error) {
    if (error instanceof ApiError) return { what, status: error.problem.status };
    throw error;
  }
}
