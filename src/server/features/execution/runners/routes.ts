import { runners } from "#shared/api/execution/runners.js";
import type { Database } from "../../../db/connection/connect.js";
import type { Handlers } from "../../../http/register-routes.js";
import type { ActorContext } from "../../../http/requests/request-context.js";
import { byName, pagesOf } from "../../../http/requests/pagination.js";
import { createRunner, deleteRunner, readRunner, updateRunner } from "./manage-runners.js";
import { listRunners } from "./runners.queries.js";

export function runnerHandlers(db: Database): Handlers<typeof runners> {
  const list = pagesOf(runners.list, byName);
  const available = pagesOf(runners.available, byName);
  const keyOf = ({ name }: { name: string }) => [name] as [string];
  const contextOf = (context: ActorContext) => ({
    origin: {
      actor: { userId: context.actor.userId },
      ip: context.ip,
      requestId: context.requestId,
    },
    change: <Result>(work: Parameters<typeof db.systemChange<Result>>[1]) =>
      db.systemChange(context, work),
    verificationKey: db.verificationKey,
  });
  return {
    list: (context, { query }) =>
      list(context, query, {
        read: (after, limit) =>
          db.withSystem("list the runners", (tx) => listRunners(tx, after?.[0] ?? null, limit)),
        keyOf,
      }),
    create: (context, { body }) => createRunner(contextOf(context), body),
    get: (_context, { params }) =>
      db.withSystem("read a runner", (tx) => readRunner(tx, { id: params.runner_id })),
    update: (context, { params, body }) =>
      updateRunner(contextOf(context), { id: params.runner_id }, body),
    delete: async (context, { params }) => {
      await deleteRunner(contextOf(context), { id: params.runner_id });
      return undefined;
    },
    available: (context, { query }) =>
      available(context, query, {
        read: (after, limit) =>
          context.tx((tx) => listRunners(tx, after?.[0] ?? null, limit, context.orgId)),
        keyOf,
      }),
  };
}
