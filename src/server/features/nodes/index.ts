export { drainNode, resumeNode } from "./drain-node.js";
export { listClusterNodes } from "./cluster-nodes.queries.js";
