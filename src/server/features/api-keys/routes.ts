import type { apiKeys } from "#shared/api/api-keys.js";
import type { Handlers } from "../../http/mount.js";
import { decodeCursor, pageOf } from "../../http/pagination.js";
import type { ApiKeyService } from "./service.js";

export function apiKeyHandlers(service: ApiKeyService): Handlers<typeof apiKeys> {
  return {
    create: async ({ actor, reply }, { body }) => {
      reply.header("cache-control", "no-store");
      return service.create(actor, body);
    },
    list: async ({ actor, request, reply }, { query }) => {
      const after =
        query.cursor === undefined ? null : (decodeCursor(query.cursor, 1)[0] as string);
      const keys = await service.list(actor, after, query.limit + 1);
      return pageOf(keys, query.limit, (last) => [last.id], request, reply);
    },
    get: ({ actor }, { params }) => service.get(actor, params.key_id),
    update: ({ actor }, { params, body }) => service.update(actor, params.key_id, body),
    revoke: async ({ actor }, { params }) => {
      await service.revoke(actor, params.key_id);
      return undefined;
    },
  };
}
