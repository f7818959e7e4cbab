export { createForgeAccess } from "./forge-access.js";
export { createForgeOpener } from "./open-forge.js";
export { createForgeClients, type ForgeClients } from "./use-forge.js";
