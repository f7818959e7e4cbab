import { z } from "zod";
import { api } from "#shared/api/index.js";

// Zod would compile its checks with `new Function`, which the content security policy refuses.
z.config({ jitless: true });

/** All of the contract. Loaded by contract.ts when it is needed, never with a page. */
export const rules = api;
