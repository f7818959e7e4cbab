/** Method and path of each call, by resource and name; generated from the contract by vite.config.ts. */
declare module "virtual:calls" {
  import type { Method } from "#shared/contract/endpoint.js";

  const calls: Record<string, Record<string, { method: Method; path: `/${string}` }>>;
  export default calls;
}
