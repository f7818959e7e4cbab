export { changeContextOf } from "./routes.js";
export { drainNode, resumeNode } from "./drain-node.js";
export { findClusterNode, listClusterNodes } from "./cluster-nodes.queries.js";
