import type { api } from "../api/index.js";

/** A call of the API by resource and name: `agents.list`. */
export type CallName = {
  [Resource in keyof typeof api]: `${Resource}.${keyof (typeof api)[Resource] & string}`;
}[keyof typeof api];
