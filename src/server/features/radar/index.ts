export { scanProject, type ScanDeps } from "./scan-project.js";
export { startRadar } from "./radar.js";
