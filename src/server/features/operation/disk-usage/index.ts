export { type MeasureDeps, readDiskUsage, refreshWorkspace } from "./disk-usage.js";
