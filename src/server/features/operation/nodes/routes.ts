import { nodes } from "#shared/api/operation/nodes.js";
import type { Database } from "../../../db/connection/connect.js";
import { notFound } from "../../../errors.js";
import type { Handlers } from "../../../http/register-routes.js";
import type { ActorContext } from "../../../http/requests/request-context.js";
import { byId, byName, pagesOf } from "../../../http/requests/pagination.js";
import { findClusterNode, hasNode, listClusterNodes } from "./cluster-nodes.queries.js";
import { drainNode, resumeNode } from "./drain-node.js";
import { listNodeProjects } from "./node-projects.queries.js";

/** Returns the context of a super admin's changes to the installation. */
export const changeContextOf = (db: Database, context: ActorContext) => ({
  origin: {
    actor: { userId: context.actor.userId },
    ip: context.ip,
    requestId: context.requestId,
  },
  change: <Result>(work: Parameters<typeof db.systemChange<Result>>[1]) =>
    db.systemChange(context, work),
});

export function nodeHandlers(db: Database): Handlers<typeof nodes> {
  const list = pagesOf(nodes.list, byName);
  const projects = pagesOf(nodes.projects, byId);
  const contextOf = (context: ActorContext) => changeContextOf(db, context);
  return {
    list: (context, { query }) =>
      list(context, query, {
        read: (after, limit) =>
          db.withSystem("list the nodes", (tx) => listClusterNodes(tx, after?.[0] ?? null, limit)),
        keyOf: ({ name }) => [name],
      }),
    get: async (_context, { params }) => {
      const node = await db.withSystem("read a node", (tx) =>
        findClusterNode(tx, { id: params.node_id }),
      );
      if (!node) throw notFound();
      return node;
    },
    projects: (context, { params, query }) =>
      projects(context, query, {
        read: (after, limit) =>
          db.withSystem("list the projects of a node", async (tx) => {
            const { node_id: nodeId } = params;
            if (!(await hasNode(tx, nodeId))) throw notFound();
            return listNodeProjects(tx, nodeId, after?.[0] ?? null, limit);
          }),
        keyOf: ({ id }) => [id],
      }),
    drain: (context, { params }) => drainNode(contextOf(context), { id: params.node_id }),
    resume: (context, { params }) => resumeNode(contextOf(context), { id: params.node_id }),
  };
}
