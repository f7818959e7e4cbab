import { apiKeys } from "#shared/api/identity/api-keys.js";
import { Answer, noStore } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import { createKey, rotateKey } from "./create-key.js";
import { revokeLeaked } from "./leaks/leaked-key.js";
import { listOrganizationKeys, removeFromOrganization } from "./organization-keys.js";
import type { KeyDeps } from "./key-access.js";
import { listKeys, reduceScopes, readKey, revokeKey, updateKey } from "./manage-keys.js";
import { readUsage } from "./usage/key-usage.js";
import { verifyKey } from "./keyring/verify-key.js";

export function apiKeyHandlers(deps: KeyDeps): Handlers<typeof apiKeys> {
  const { db } = deps;
  const pages = pagesOf(apiKeys.list, byId);
  const organizationPages = pagesOf(apiKeys.listOfOrganization, byId);
  return {
    create: (context, { body }) => createKey(deps, context, body),
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) => listKeys(db, context.actor, after?.[0] ?? null, limit),
        keyOf: ({ id }) => [id],
      }),
    get: ({ actor }, { params }) => readKey(db, actor, params.key_id),
    update: (context, { params, body }) => updateKey(db, context, params.key_id, body),
    revoke: async (context, { params }) => {
      await revokeKey(db, context, params.key_id);
      return undefined;
    },
    rotate: (context, { params, body }) =>
      rotateKey(deps, context, params.key_id, body?.grace_period_seconds ?? 0),
    usage: ({ actor }, { params, query }) => readUsage(deps, actor, params.key_id, query.days),
    narrow: (context, { params, body }) => reduceScopes(db, context, params.key_id, body.scopes),
    verify: async (context, { body }) => new Answer(await verifyKey(deps, context, body), noStore),
    revokeLeaked: async (context, { body }) => {
      await revokeLeaked(deps, context, body.key);
      return undefined;
    },
    listOfOrganization: (context, { query }) =>
      organizationPages(context, query, {
        read: (after, limit) => listOrganizationKeys(db, context.orgId, after?.[0] ?? null, limit),
        keyOf: ({ id }) => [id],
      }),
    shutOut: async (context, { params }) => {
      await removeFromOrganization(db, context, params.key_id);
      return undefined;
    },
  };
}
