import { z } from "zod";
import type { Endpoint } from "./endpoint.js";

/** Whether a GET returns a single item, whose ETag guards changes: no list, stream or redirect. */
export function isItem({ response }: Endpoint): boolean {
  return response !== null && !(response instanceof z.ZodArray);
}

/**
 * Returns the path of the item that a change affects: the same path, or that of the item which contains
 * the changed part, such as the project of `/upstream/credential`. Undefined if there is none.
 */
export function itemPath(path: string, items: { has(path: string): boolean }): string | undefined {
  for (let above = path; ; above = above.slice(0, above.lastIndexOf("/"))) {
    if (items.has(above)) return above;
    // A member of a collection is not a part of the collection's owner.
    if (above === "" || above.endsWith("}")) return undefined;
  }
}
