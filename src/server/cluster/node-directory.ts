import type { Database } from "../db/connection/connect.js";
import { listNodes, type RegisteredNode } from "./nodes.queries.js";

/** The nodes of the cluster, as they were seconds ago. */
export interface NodeDirectory {
  all(): Promise<readonly RegisteredNode[]>;
  find(id: string): Promise<RegisteredNode | undefined>;
  /** Lets the next caller read the nodes again: one of them did not respond as expected. */
  expire(): void;
}

const maxAgeMs = 2000;
/** Minimum time between reads while a node does not respond. */
const minAgeMs = 100;

export function openNodeDirectory(db: Database): NodeDirectory {
  let nodes: Promise<readonly RegisteredNode[]> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  let isExpired = false;
  const all = (): Promise<readonly RegisteredNode[]> => {
    const age = performance.now() - readAt;
    if (nodes === null || age > (isExpired ? minAgeMs : maxAgeMs)) {
      readAt = performance.now();
      isExpired = false;
      const reading = db.withSystem("list the nodes", listNodes);
      nodes = reading;
      reading.catch(() => {
        if (nodes === reading) nodes = null;
      });
    }
    return nodes;
  };
  return {
    all,
    find: async (id) => (await all()).find((node) => node.id === id),
    expire: () => {
      isExpired = true;
    },
  };
}
