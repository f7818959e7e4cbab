import { Readable } from "node:stream";
import type { RawRequest } from "../../../http/raw-routes.js";
import { gunzip } from "../../../http/requests/limit-bytes.js";

/** Returns the body of a request of git, which compresses some. @param maxBytes without compression */
export function bodyOf({ body, headers }: RawRequest, maxBytes: number): Readable {
  const sent = (body ?? Readable.from([])) as Readable;
  return headers["content-encoding"] === "gzip" ? gunzip(sent, maxBytes) : sent;
}

/** Discards the rest of a request that was rejected. */
export function stopReading({ body }: RawRequest): void {
  if (body instanceof Readable) body.destroy();
}

/** Whether a client is git, which shows errors to its user only in forms of its own. */
export function isFromGit({ headers }: RawRequest): boolean {
  return headers["user-agent"]?.startsWith("git/") ?? false;
}
