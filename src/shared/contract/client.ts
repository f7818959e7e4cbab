import { type Client, clientOf, type FetchLike } from "./call.js";
import { api } from "../api/index.js";

export { ApiError, type Client, urlOf } from "./call.js";

/** Creates the typed client of the command line and the tests, with all endpoints. */
export function createClient(fetchLike: FetchLike): Client {
  return clientOf(api, fetchLike);
}

/** A call of the API by resource and name: `agents.list`. */
export type CallName = {
  [Resource in keyof typeof api]: `${Resource}.${keyof (typeof api)[Resource] & string}`;
}[keyof typeof api];
