import { type Client, clientOf, type FetchLike } from "./call.js";
import { api } from "../api/index.js";

export { ApiError, type Client, urlOf } from "./call.js";

/** The typed client that the command line and the tests share, of all calls of the contract. */
export function createClient(fetchLike: FetchLike): Client {
  return clientOf(api, fetchLike);
}
