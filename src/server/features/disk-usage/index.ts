export { readDiskUsage, refreshWorkspace, startMeasuring } from "./disk-usage.js";
