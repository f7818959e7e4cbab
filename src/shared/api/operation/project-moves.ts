import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, projectParams, timestamp } from "../../contract/fields.js";

const moveStates = [
  "copying",
  "freezing",
  "switching",
  "cleaning",
  "done",
  "failed",
  "canceled",
] as const;
export type MoveState = (typeof moveStates)[number];

const end = z.strictObject({
  id: id.describe("Id of the server's data folder"),
  name: z.string().describe("Name of the server"),
});

/** The latest move of a project to another server. */
export const projectMove = z.strictObject({
  project_id: id.describe("Id of the project"),
  from: end.describe("Server that stored the project before"),
  to: end.describe("Server that stores it afterwards"),
  state: z
    .enum(moveStates)
    .describe(
      "`copying`: files are copied while the project is in use; `freezing`: the last changes are copied, and the project answers 503; `switching`: it changes its server; `cleaning`: it is in use at the new server, and the earlier one deletes its copy; `done`, `failed`, `canceled`: the move has ended",
    ),
  started_at: timestamp.describe("Start of the move"),
  frozen_at: nullable.timestamp.describe(
    "Time since which the project answered 503; null while it is copied in use",
  ),
  switched_at: nullable.timestamp.describe(
    "Time since which the new server stores it; null before that",
  ),
  finished_at: nullable.timestamp.describe("End of the move; null until then"),
  error: nullable.string.describe("Reason why the move failed; null if it did not"),
  bytes_total: z.number().describe("Size of the project's files in bytes, as listed last"),
  bytes_copied: z
    .number()
    .describe("Bytes copied so far; a file that changes meanwhile is copied again"),
});
export type ProjectMove = z.output<typeof projectMove>;

const path = "/api/v1/admin/projects/{project_id}/move";
const access = "super-admin";

/** Moves of projects between servers, for super admins; for all others they answer 404. */
export const projectMoves = {
  start: endpoint({
    method: "POST",
    path,
    access,
    status: 202,
    summary: "Move a project to another server; it stays in use until the last seconds",
    params: projectParams,
    body: z.strictObject({
      node: z.string().min(1).max(100).describe("Name or id of the server to which it moves"),
    }),
    response: projectMove,
    errors: ["project_moving", "node_unavailable", "run_in_progress"],
  }),
  get: endpoint({
    method: "GET",
    path,
    access,
    summary: "Get the latest move of a project; 404 if it was never moved",
    params: projectParams,
    response: projectMove,
  }),
  cancel: endpoint({
    method: "DELETE",
    path,
    access,
    summary: "Cancel the move of a project before it changes its server",
    params: projectParams,
    response: projectMove,
    errors: ["nothing_to_cancel"],
  }),
};
