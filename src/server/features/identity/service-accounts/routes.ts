import { serviceAccounts } from "#shared/api/identity/service-accounts.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import {
  createAccountKey,
  listAccountKeys,
  readAccountKey,
  revokeAccountKey,
  rotateAccountKey,
  type KeyDeps,
} from "../api-keys/index.js";
import { createAccount, deleteAccount, readAccount, updateAccount } from "./service-accounts.js";
import { listAccounts } from "./service-accounts.queries.js";

export function serviceAccountHandlers(keys: KeyDeps): Handlers<typeof serviceAccounts> {
  const { db } = keys;
  const pages = pagesOf(serviceAccounts.list, byId);
  const keyPages = pagesOf(serviceAccounts.listKeys, byId);
  return {
    create: (context, { body }) => createAccount(context, body),
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) =>
          db.withSystem("list service accounts with their keys", (tx) =>
            listAccounts(tx, context.orgId, after?.[0] ?? null, limit),
          ),
        keyOf: ({ id }) => [id],
      }),
    get: ({ orgId }, { params }) =>
      db.withSystem("read a service account with its keys", (tx) =>
        readAccount(tx, orgId, params.service_account_id),
      ),
    update: (context, { params, body }) =>
      updateAccount(db, context, params.service_account_id, body),
    delete: async (context, { params }) => {
      await deleteAccount(db, context, params.service_account_id);
      return undefined;
    },
    createKey: (context, { params, body }) =>
      createAccountKey(keys, context, params.service_account_id, body),
    listKeys: (context, { params, query }) =>
      keyPages(context, query, {
        read: (after, limit) =>
          listAccountKeys(db, context.orgId, params.service_account_id, after?.[0] ?? null, limit),
        keyOf: ({ id }) => [id],
      }),
    getKey: ({ orgId }, { params }) =>
      readAccountKey(db, orgId, params.service_account_id, params.key_id),
    revokeKey: async (context, { params }) => {
      await revokeAccountKey(db, context, params.service_account_id, params.key_id);
      return undefined;
    },
    rotateKey: (context, { params, body }) =>
      rotateAccountKey(
        keys,
        context,
        { accountId: params.service_account_id, keyId: params.key_id },
        body?.grace_period_seconds ?? 0,
      ),
  };
}
