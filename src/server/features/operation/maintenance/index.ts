export { endMaintenance, setMaintenance, stateOf } from "./set-maintenance.js";
