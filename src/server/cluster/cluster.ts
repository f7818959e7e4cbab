import type { Database } from "../db/connection/connect.js";
import { findHomes, type Homes } from "./home-of-request.js";
import { createNodeClient } from "./node-client.js";
import { openNodeDirectory, type NodeDirectory } from "./node-directory.js";
import type { NodeLease } from "./node-lease.js";
import type { OwnNode } from "./register-node.js";
import type { Sender } from "./forward-request.js";
import type { ProjectWork } from "./project-work.js";
import { forwardingSignature, moveSignature, type MoveSignature } from "./signature.js";

/** The other nodes of the installation, seen from this one. */
export interface Cluster extends Sender {
  readonly node: OwnNode;
  readonly lease: NodeLease;
  readonly homes: Homes;
  readonly nodes: NodeDirectory;
  readonly work: ProjectWork;
  /** Of requests between nodes for the files of a project. */
  readonly moveSignature: MoveSignature;
  close(): void;
}

/** @returns null for an installation with one node */
export function openCluster(
  db: Database,
  node: OwnNode,
  lease: NodeLease,
  work: ProjectWork,
  secret: string | null,
): Cluster | null {
  if (node.url === null || secret === null) return null;
  const client = createNodeClient();
  return {
    node,
    nodeId: node.id,
    lease,
    homes: findHomes(db),
    nodes: openNodeDirectory(db),
    work,
    moveSignature: moveSignature(secret),
    client,
    signature: forwardingSignature(secret),
    close: () => client.close(),
  };
}
