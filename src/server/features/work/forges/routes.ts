import type { z } from "zod";
import { forges, type Forge, type ForgeRepository } from "#shared/api/work/forges.js";
import { byId, byName, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import * as actions from "./connections.js";
import { listForges } from "./forges.queries.js";

export function forgeHandlers(deps: actions.ConnectionDeps): Handlers<typeof forges> {
  const pages = pagesOf(forges.list, byId);
  const repositoryPages = pagesOf(forges.repositories, byName);
  type Query = z.output<typeof forges.repositories.query>;
  return {
    create: (context, { body }) => actions.createForge(deps, context, body),
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) => context.tx((tx) => listForges(tx, after?.[0] ?? null, limit)),
        keyOf: ({ id }: Forge) => [id],
      }),
    get: ({ tx }, { params }) =>
      tx((transaction) => actions.readForge(transaction, params.forge_id)),
    update: (context, { params, body }) =>
      actions.updateForge(deps, context, params.forge_id, body),
    rotateWebhookSecret: (context, { params }) =>
      actions.rotateWebhookSecret(deps, context, params.forge_id),
    delete: async (context, { params, query }) => {
      await actions.deleteForge(context, params.forge_id, query.unlink === true);
      return undefined;
    },
    repositories: async (context, { params, query }) => {
      const { q = "" }: Query = query;
      const found = await actions.listRepositories(deps, context, params.forge_id, q);
      return repositoryPages(context, query, {
        read: (after, limit) => {
          const [last] = after ?? [""];
          return Promise.resolve(found.filter(({ name }) => name > last).slice(0, limit));
        },
        keyOf: ({ name }: ForgeRepository) => [name],
      });
    },
  };
}
