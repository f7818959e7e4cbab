export { readDiskUsage, refreshWorkspace } from "./disk-usage.js";
