import "./no-eval.js";
import { api } from "#shared/api/index.js";

/** All schemas of the contract. Imported on demand by api-calls.ts, never with a page. */
export const schemas = api;
