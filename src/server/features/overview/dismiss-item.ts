import { AppError, notFound } from "../../errors.js";
import type { Database } from "../../db/connection/connect.js";
import type { OrgContext } from "../../http/request-context.js";
import * as queries from "./dismissals.queries.js";
import { presentKeys } from "./list-attention.js";

/** Dismissals that a user keeps in an organization; the oldest ones are forgotten. */
const MAX_DISMISSALS = 500;

/**
 * Marks an item as done for the caller. Forgets the caller's dismissals whose items are gone; since keys do not come
 * back, they would never be used again.
 * @throws AppError 403 for an agent; 404 if the item is gone
 */
export async function dismissItem(db: Database, context: OrgContext, key: string): Promise<void> {
  const owner = ownerOf(context);
  const before = await context.tx((tx) => queries.listDismissed(tx, owner));
  const present = await presentKeys(db, context, [...new Set([...before, key])]);
  if (!present.has(key)) throw notFound();
  const gone = before.filter((one) => !present.has(one));
  await context.write(async (tx) => {
    await queries.insertDismissal(tx, owner, key);
    await queries.pruneDismissals(tx, owner, gone, MAX_DISMISSALS);
  });
}

/** @throws AppError 403 for an agent; 404 if the item was not dismissed */
export async function undismissItem(context: OrgContext, key: string): Promise<void> {
  const owner = ownerOf(context);
  const isDeleted = await context.write((tx) => queries.deleteDismissal(tx, owner, key));
  if (!isDeleted) throw notFound();
}

function ownerOf({ orgId, actor }: OrgContext): { orgId: string; userId: string } {
  if (actor.agent) {
    throw new AppError("insufficient_permission", "An agent has no list of its own.");
  }
  return { orgId, userId: actor.userId };
}
