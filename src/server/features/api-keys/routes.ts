import type { apiKeys } from "#shared/api/api-keys.js";
import type { Handlers } from "../../http/mount.js";
import { decodeCursor, pageOf } from "../../http/pagination.js";
import type { ApiKeyService } from "./service.js";

export function apiKeyHandlers(service: ApiKeyService): Handlers<typeof apiKeys> {
  return {
    create: async (context, { body }) => {
      context.reply.header("cache-control", "no-store");
      return service.create(context, body);
    },
    list: async ({ actor, request, reply }, { query }) => {
      const after =
        query.cursor === undefined ? null : (decodeCursor(query.cursor, 1)[0] as string);
      const keys = await service.list(actor, after, query.limit + 1);
      return pageOf(keys, query.limit, (last) => [last.id], request, reply);
    },
    get: ({ actor }, { params }) => service.get(actor, params.key_id),
    update: (context, { params, body }) => service.update(context, params.key_id, body),
    revoke: async (context, { params }) => {
      await service.revoke(context, params.key_id);
      return undefined;
    },
  };
}
