export { drainNode, resumeNode, type NodeReference } from "./drain-node.js";
export { listClusterNodes } from "./cluster-nodes.queries.js";
