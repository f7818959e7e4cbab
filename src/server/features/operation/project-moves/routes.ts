import type { projectMoves } from "#shared/api/operation/project-moves.js";
import type { Database } from "../../../db/connection/connect.js";
import type { Handlers } from "../../../http/register-routes.js";
import { changeContextOf } from "../nodes/index.js";
import { cancelMove, moveProject, readMove } from "./move-project.js";

export function moveHandlers(db: Database): Handlers<typeof projectMoves> {
  return {
    start: (context, { params, body }) =>
      moveProject(changeContextOf(db, context), params.project_id, body.node),
    get: (_context, { params }) =>
      db.withSystem("read the move of a project", (tx) => readMove(tx, params.project_id)),
    cancel: (context, { params }) => cancelMove(changeContextOf(db, context), params.project_id),
  };
}
