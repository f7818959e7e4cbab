import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Cluster } from "../../../cluster/cluster.js";
import { moveHeader } from "../../../cluster/signature.js";
import { AppError, homeUnavailable, notFound } from "../../../errors.js";
import { Answer } from "../../../http/answers/answer.js";
import { rawRoutes, type RawRequest } from "../../../http/raw-routes.js";
import type { Routes } from "../../../http/register-routes.js";
import { archiveFiles } from "./copy/archive-files.js";
import { streamList } from "./copy/file-list.js";
import { freezeProject, type FreezeDeps } from "./freeze-project.js";
import * as queries from "./moves.queries.js";
import { filesOf, presentParts } from "./project-files.js";

/** Size of a list of names, which the receiver limits to 2,000. */
const MAX_NAMES_BYTES = 16 * 1024 * 1024;
const octets = "application/octet-stream";

export interface ServedMoves extends FreezeDeps {
  cluster: Cluster;
}

/** The requests of a project's new node to its home. All others get a 404. */
export function moveRoutes(deps: ServedMoves): Routes {
  const { dataDir } = deps;
  return rawRoutes(
    [
      {
        method: "POST",
        path: "/cluster/moves/{id}/freeze",
        handle: async (request) => {
          const move = await requireMove(deps, request);
          await freezeProject(deps, move, () => !request.raw.socket.destroyed);
          return new Answer({ frozen: true });
        },
      },
      {
        method: "GET",
        path: "/cluster/moves/{id}/list",
        handle: async (request) => {
          const move = await requireMove(deps, request);
          const parts = await presentParts(dataDir, await filesOf(deps, move));
          return stream(streamList(dataDir, parts));
        },
      },
      {
        method: "POST",
        path: "/cluster/moves/{id}/files",
        handle: async (request) => {
          const move = await requireMove(deps, request);
          const sent = await buffer(request.body as Readable);
          const names = sent
            .toString("latin1")
            .split("\0")
            .filter((name) => name !== "");
          const { parts } = await filesOf(deps, move);
          requireBelow(names, parts);
          return stream(archiveFiles(dataDir, names, move.state === "copying"));
        },
      },
    ],
    { bodies: { [octets]: MAX_NAMES_BYTES } },
  );
}

const stream = (content: Readable): Answer<Readable> =>
  new Answer(content, { headers: { "content-type": octets, "cache-control": "no-store" } });

/** Returns the move for which a node asks. @throws AppError 404; 503 `home_unavailable` */
async function requireMove(
  { db, cluster }: Pick<ServedMoves, "db" | "cluster">,
  request: RawRequest,
) {
  const header = request.headers[moveHeader];
  const claim =
    header === undefined
      ? null
      : cluster.moveSignature.verify(String(header), request.method, request.raw.url ?? "");
  const { node, lease } = cluster;
  if (claim === null || claim.to !== node.id || claim.move !== request.params["id"]) {
    throw notFound();
  }
  if (claim.epoch !== node.epoch) throw homeUnavailable();
  lease.require();
  const move = await db.withSystem("read a move", (tx) => queries.findMove(tx, claim.move));
  const isValid =
    move?.from.id === node.id && move.to.id === claim.from && move.attempt === claim.attempt;
  if (!isValid || !["copying", "freezing", "switching"].includes(move.state)) throw notFound();
  return move;
}

/** Fails unless each name is below one of the parts. @throws AppError 422 */
function requireBelow(names: readonly string[], parts: readonly string[]): void {
  const known = new Set(parts);
  for (const name of names) {
    const segments = name.split("/");
    const isBelow = segments.some((_one, index) =>
      known.has(segments.slice(0, index + 1).join("/")),
    );
    if (isBelow && !segments.includes("..") && !segments.includes("")) continue;
    throw new AppError("validation_failed", "A name is of another project.");
  }
}
