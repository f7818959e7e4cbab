import { forgePeople, type ForgeAccount, type ForgePerson } from "#shared/api/work/forge-people.js";
import { byId, byName, pagesOf } from "../../../../http/requests/pagination.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { readForge } from "../connections.js";
import * as actions from "../link-people.js";
import type { ForgeDeps } from "../use-forge.js";
import { listAccounts, listPeople } from "./people.queries.js";

export function forgePeopleHandlers(
  deps: Pick<ForgeDeps, "clients">,
): Handlers<typeof forgePeople> {
  const pages = pagesOf(forgePeople.list, byName);
  const accountPages = pagesOf(forgePeople.accounts, byId);
  return {
    list: (context, { params: { forge_id }, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx(async (tx) => {
            await readForge(tx, forge_id);
            return listPeople(tx, forge_id, after?.[0] ?? null, limit);
          }),
        keyOf: ({ login }: ForgePerson) => [login],
      }),
    set: (context, { params, body }) =>
      actions.setPerson(context, params.forge_id, params.login, body.user_id),
    remove: async (context, { params }) => {
      await actions.removePerson(context, params.forge_id, params.login);
      return undefined;
    },
    accounts: (context, { query }) => {
      actions.requirePersonal(context);
      return accountPages(context, query, {
        read: (after, limit) =>
          context.tx((tx) => listAccounts(tx, context.actor.userId, after?.[0] ?? null, limit)),
        keyOf: ({ forge_id }: ForgeAccount) => [forge_id],
      });
    },
    link: (context, { params, body }) =>
      actions.linkAccount(deps, context, params.forge_id, body.token),
    unlink: async (context, { params }) => {
      await actions.unlinkAccount(context, params.forge_id);
      return undefined;
    },
  };
}
