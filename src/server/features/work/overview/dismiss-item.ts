import { AppError, notFound } from "../../../errors.js";
import type { Database } from "../../../db/connection/connect.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import * as queries from "./dismissals.queries.js";
import { isPerson } from "../../../access/authenticate.js";
import { isPresent } from "./list-attention.js";

/** Dismissals that a user keeps in an organization; the oldest ones are forgotten. */
const MAX_DISMISSALS = 1000;
/**
 * Age at which a dismissal is forgotten. An item that is not on the list may come back with the same key: a conflict
 * after the next scan, or a failed run once a queued one is stopped. So only age tells that it is gone.
 */
const MAX_DAYS = 90;

/**
 * Marks an item as done for the caller, and forgets the caller's old dismissals.
 * @param until when it is listed again; null for never
 * @throws AppError 403 for an agent; 404 if the item is gone; 422 for a time that is past or too late
 */
export async function dismissItem(
  db: Database,
  context: OrgContext,
  key: string,
  until: string | null,
): Promise<void> {
  const owner = ownerOf(context);
  requireSoon(until);
  if (!(await isPresent(db, context, key))) throw notFound();
  await context.write(async (tx) => {
    await queries.insertDismissal(tx, owner, key, until);
    await queries.pruneDismissals(tx, owner, { days: MAX_DAYS, count: MAX_DISMISSALS });
  });
}

/** @throws AppError 403 for an agent; 404 if the item was not dismissed */
export async function undismissItem(context: OrgContext, key: string): Promise<void> {
  const owner = ownerOf(context);
  const isDeleted = await context.write((tx) => queries.deleteDismissal(tx, owner, key));
  if (!isDeleted) throw notFound();
}

function requireSoon(until: string | null): void {
  if (until === null) return;
  const ms = Date.parse(until) - Date.now();
  if (ms > 0 && ms <= MAX_DAYS * 86_400_000) return;
  const [msg, type] =
    ms > 0
      ? [`must be within the next ${MAX_DAYS} days`, "too_late"]
      : ["must be in the future", "too_early"];
  throw new AppError("validation_failed", `until ${msg}.`, {
    errors: [{ loc: ["body", "until"], msg, type }],
  });
}

function ownerOf({ orgId, actor }: OrgContext): { orgId: string; userId: string } {
  if (!isPerson(actor)) {
    throw new AppError("insufficient_permission", "Only people have a list of their own.");
  }
  return { orgId, userId: actor.userId };
}
