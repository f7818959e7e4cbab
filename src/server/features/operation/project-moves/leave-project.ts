import { lockOrganizations } from "../../../db/connection/tenant.js";
import { requireEpoch } from "../../../cluster/nodes.queries.js";
import * as queries from "./moves.queries.js";
import { filesOf, removeFiles } from "./project-files.js";
import type { ReceiveDeps } from "./receive-project.js";

/** A little longer than the new node keeps a project frozen. */
const FROZEN_SECONDS = 150;

/** Deletes the files of a project that has moved from this node to another one, and ends the move. */
export async function deleteCopy(
  deps: Pick<ReceiveDeps, "db" | "dataDir">,
  move: queries.MoveRow,
): Promise<void> {
  const { db, dataDir } = deps;
  const home = await db.withSystem("find the home of a project", (tx) =>
    queries.findHome(tx, move.project_id),
  );
  if (home !== db.node.id) await removeFiles(dataDir, await filesOf(deps, move));
  await db.withSystemTx("end the move of a project", async (tx) => {
    await lockOrganizations(tx, [move.org_id]);
    await requireEpoch(tx, db.node);
    const row = await queries.lockMove(tx, move.id);
    if (row?.state === "cleaning") await queries.endMove(tx, move.id, "done");
  });
}

/**
 * Takes a frozen project back whose new node is away, or has not ended in time. That attempt has no effect any more;
 * the node copies the project again.
 */
export async function takeBack(
  { db }: Pick<ReceiveDeps, "db">,
  move: queries.MoveRow,
): Promise<void> {
  await db.withSystemTx("take back a project", async (tx) => {
    await lockOrganizations(tx, [move.org_id]);
    await requireEpoch(tx, db.node);
    const row = await queries.lockMove(tx, move.id);
    const isFrozen = row?.state === "freezing" || row?.state === "switching";
    if (!isFrozen) return;
    const isAtWork = await queries.isLeased(tx, move.to.id);
    if (isAtWork && !(await queries.isFrozenFor(tx, move.id, FROZEN_SECONDS))) return;
    await queries.beginAttempt(tx, move.id, null);
  });
}
