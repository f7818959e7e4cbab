import "./no-eval.js";
import { api } from "#shared/api/index.js";

/** All of the contract. Loaded by contract.ts when it is needed, never with a page. */
export const schemas = api;
