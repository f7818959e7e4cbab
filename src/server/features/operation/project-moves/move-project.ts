import type { ProjectMove } from "#shared/api/operation/project-moves.js";
import { isUuid } from "#shared/uuid.js";
import { recordInstallationEvent } from "../../../db/audit/installation-audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import { findClusterNode } from "../nodes/index.js";
import type { AdminContext } from "../../identity/people/index.js";
import * as queries from "./moves.queries.js";

type MoveContext = Pick<AdminContext, "origin" | "change">;

/**
 * Starts to move a project to another node, which copies it in the background.
 * @param node name or id
 * @throws AppError 404; 409 `project_moving`, `node_unavailable`, `run_in_progress`; 422
 */
export function moveProject(
  { origin, change }: MoveContext,
  projectId: string,
  node: string,
): Promise<ProjectMove> {
  return change(async (tx) => {
    const project = await lockProject(tx, projectId);
    const before = await queries.findMoveOf(tx, projectId);
    if (before && !isEnded(before)) {
      throw new AppError(
        "project_moving",
        `The project is moving from ${before.from.name} to ${before.to.name}; wait for the end, or cancel that move.`,
      );
    }
    const to =
      (isUuid(node) ? await findClusterNode(tx, { id: node }) : undefined) ??
      (await findClusterNode(tx, { name: node }));
    if (!to) throw invalidField("node", "must be the name or the id of a server");
    if (to.id === project.home_node) throw invalidField("node", "already stores the project");
    const from =
      project.home_node === null ? undefined : await findClusterNode(tx, { id: project.home_node });
    if (!from) throw notFound();
    for (const server of [from, to]) {
      if (server.status !== "unavailable" && server.url !== null) continue;
      throw new AppError(
        "node_unavailable",
        `The server ${server.name} is not available; start it, and try again.`,
      );
    }
    if (await queries.hasRunningRun(tx, projectId)) {
      throw new AppError(
        "run_in_progress",
        "A run of the project is in progress; stop it, or wait for its end.",
      );
    }
    await queries.insertMove(tx, {
      id: newId(),
      project_id: projectId,
      from_node: from.id,
      to_node: to.id,
    });
    await recordInstallationEvent(tx, origin, {
      action: "project.move_started",
      target: { type: "project", id: projectId, name: project.name },
      changes: { server: { from: from.name, to: to.name } },
    });
    return readMove(tx, projectId);
  });
}

/**
 * Cancels a move before the project changes its server.
 * @throws AppError 404; 409 `nothing_to_cancel`
 */
export function cancelMove(
  { origin, change }: MoveContext,
  projectId: string,
): Promise<ProjectMove> {
  return change(async (tx) => {
    const project = await lockProject(tx, projectId);
    const found = await queries.findMoveOf(tx, projectId);
    const move = found && (await queries.lockMove(tx, found.id));
    if (!move) throw notFound();
    if (move.state !== "copying" && move.state !== "freezing") {
      throw new AppError(
        "nothing_to_cancel",
        isEnded(move)
          ? "The move has ended."
          : "The move can no longer be canceled; it ends within seconds.",
      );
    }
    await queries.endMove(tx, move.id, "canceled");
    await recordInstallationEvent(tx, origin, {
      action: "project.move_canceled",
      target: { type: "project", id: projectId, name: project.name },
      changes: {},
    });
    return readMove(tx, projectId);
  });
}

/** @throws AppError 404 if the project does not exist or was never moved */
export async function readMove(tx: Queryable, projectId: string): Promise<ProjectMove> {
  const move = await queries.findMoveOf(tx, projectId);
  if (!move || move.is_deleted) throw notFound();
  return queries.shownMove(move);
}

/**
 * Returns the id of a project from its id or its address, `<slug of the organization>/<slug of the project>`.
 * @throws AppError 404
 */
export async function findProjectId(tx: Queryable, of: string): Promise<string> {
  const id = isUuid(of) ? of : await queries.findByAddress(tx, of);
  if (id === undefined) throw notFound();
  return id;
}

const isEnded = ({ state }: ProjectMove): boolean =>
  state === "done" || state === "failed" || state === "canceled";

async function lockProject(tx: Queryable, id: string): Promise<queries.MovedProject> {
  const found = await queries.findProject(tx, id);
  if (!found) throw notFound();
  await lockOrganizations(tx, [found.org_id]);
  const project = await queries.findProject(tx, id);
  if (!project) throw notFound();
  return project;
}
