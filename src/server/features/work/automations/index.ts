export { createDefaultAutomations } from "./default-automations.js";
export { fireAutomations, isListenedTo, type AutomationEvent } from "./firing/fire-automations.js";
export type { AutomationDeps } from "./firing/prepare.js";
