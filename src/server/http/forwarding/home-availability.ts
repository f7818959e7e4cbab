import { homeUnavailable } from "../../errors.js";

const withoutHome = new WeakSet<object>();
const forwarded = new WeakSet<object>();

/** Marks a request whose node cannot be reached. Its caller is checked first, so that strangers learn nothing. */
export function markWithoutHome(request: object): void {
  withoutHome.add(request);
}

/** @throws AppError 503 `home_unavailable` for a request whose node cannot be reached */
export function requireHome(request: object): void {
  if (withoutHome.has(request)) throw homeUnavailable();
}

/** Marks a request that another node has sent. */
export function markForwarded(request: object): void {
  forwarded.add(request);
}

/** Whether another node has sent a request. Such a request is never sent on, which excludes loops. */
export function isForwarded(request: object): boolean {
  return forwarded.has(request);
}
