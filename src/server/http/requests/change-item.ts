import type { Endpoint } from "#shared/contract/endpoint.js";
import { errorCodesOf } from "#shared/contract/error-codes-of.js";
import type { Database, Queryable } from "../../db/connection/connect.js";
import { withPrecondition } from "../../db/precondition.js";
import { lockName, lockOrganizations } from "../../db/connection/tenant.js";
import { itemOf, noEntityTag, requireMatch, type ReadItem } from "../answers/conditional.js";
import { AppError } from "../../errors.js";
import type { OrgContext, PublicContext } from "./request-context.js";

/**
 * Changes an item, with If-Match only if it still is as the caller has read it. Changes of an organization's items hold
 * the lock of the organization; changes of other items, such as a person's own, follow each other by item.
 * @throws AppError 412
 */
export async function changeItem(
  context: PublicContext,
  endpoint: Endpoint,
  params: unknown,
  ifMatch: string | undefined,
  run: () => Promise<unknown>,
  { db, items }: { db: Database; items: ReadonlyMap<string, ReadItem<PublicContext>> },
): Promise<unknown> {
  const { orgId } = context as Partial<OrgContext>;
  if (ifMatch === undefined && orgId !== undefined) return run();
  const item = itemOf(endpoint.path, items);
  if (item === undefined) {
    if (ifMatch !== undefined) throw noEntityTag();
    return run();
  }
  const name = `change ${item.path} ${nameOf(context, params)}`;
  const lock = (tx: Queryable): Promise<unknown> =>
    orgId === undefined ? lockName(tx, name) : lockOrganizations(tx, [orgId]);
  if (ifMatch === undefined) return withPrecondition({ lock, compare: null }, run);
  const compare = async (): Promise<void> =>
    requireMatch(ifMatch, await read(item.read(context, params), endpoint));
  // This process may not have seen a change by another process yet.
  await db.changes.syncLocal();
  // Before anything else is done, and for calls that then change nothing.
  await compare();
  return withPrecondition({ lock, compare }, run);
}

/** @throws AppError 412 for what is not there yet, if the call would make it (RFC 9110, section 13.1.1) */
async function read(item: Promise<unknown>, endpoint: Endpoint): Promise<unknown> {
  try {
    return await item;
  } catch (error) {
    const isMissing = error instanceof AppError && error.code === "not_found";
    if (!isMissing || errorCodesOf(endpoint).includes("not_found")) throw error;
    throw new AppError("stale", "This does not exist yet; leave If-Match out to make it.");
  }
}

/** Returns the name of an item among those of its path: its ids, or its owner if the path has none. */
function nameOf(context: PublicContext, params: unknown): string {
  const { org_id, ...ids } = (params ?? {}) as Record<string, string>;
  const named = Object.values(ids);
  if (named.length > 0) return named.join(" ");
  const { orgId, actor } = context as Partial<OrgContext>;
  return orgId ?? org_id ?? actor?.userId ?? "";
}
