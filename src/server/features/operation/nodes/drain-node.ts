import type { ClusterNode } from "#shared/api/operation/nodes.js";
import { lockNodes } from "../../../cluster/nodes.queries.js";
import { recordInstallationEvent } from "../../../db/audit/installation-audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import type { AdminContext } from "../../identity/people/index.js";
import { findClusterNode, hasOtherActiveNode, setDraining } from "./cluster-nodes.queries.js";

type NodeContext = Pick<AdminContext, "origin" | "change">;

/** Identifies a node by its id or name. */
type NodeReference = { id: string } | { name: string };

/**
 * Gives a node no new projects.
 * @throws AppError 404; 409 `last_node`
 */
export function drainNode(context: NodeContext, by: NodeReference): Promise<ClusterNode> {
  return changeDraining(context, by, true, async (tx, { id, name }) => {
    if (await hasOtherActiveNode(tx, id)) return;
    throw new AppError(
      "last_node",
      `${name} is the only server that takes new projects; add another one, or resume one, first.`,
    );
  });
}

/**
 * Gives a drained node new projects again.
 * @throws AppError 404
 */
export function resumeNode(context: NodeContext, by: NodeReference): Promise<ClusterNode> {
  return changeDraining(context, by, false, () => Promise.resolve());
}

async function changeDraining(
  { origin, change }: NodeContext,
  by: NodeReference,
  draining: boolean,
  check: (tx: Queryable, node: ClusterNode) => Promise<void>,
): Promise<ClusterNode> {
  return change(async (tx) => {
    await lockNodes(tx);
    const node = await findClusterNode(tx, by);
    if (!node) throw notFound();
    if (node.draining === draining) return node;
    await check(tx, node);
    await setDraining(tx, node.id, draining);
    await recordInstallationEvent(tx, origin, {
      action: draining ? "node.drained" : "node.resumed",
      target: { type: "node", id: node.id, name: node.name },
      changes: { draining: { from: !draining, to: draining } },
    });
    const changed = await findClusterNode(tx, { id: node.id });
    if (!changed) throw notFound();
    return changed;
  });
}
