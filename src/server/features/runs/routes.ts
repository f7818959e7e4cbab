import type { runs } from "#shared/api/runs.js";
import { notFound } from "../../errors.js";
import type { Handlers } from "../../http/mount.js";
import { decodeCursor, pageOf } from "../../http/pagination.js";
import * as repository from "./repository.js";
import { heartbeat, startRun, stopRun } from "./service.js";

export function runHandlers(): Handlers<typeof runs> {
  return {
    create: (context, { params }) => startRun(context, params.agent_id),
    list: async ({ tx, request, reply }, { params, query }) => {
      const after = query.cursor === undefined ? "" : (decodeCursor(query.cursor, 1)[0] as string);
      const rows = await tx((db) =>
        repository.listRuns(db, params.agent_id, after, query.limit + 1),
      );
      return pageOf(rows, query.limit, (last) => [last.id], request, reply);
    },
    get: async ({ tx }, { params }) => {
      const run = await tx((db) => repository.findRun(db, params.run_id));
      if (!run) throw notFound();
      return run;
    },
    heartbeat: (context, { params }) => heartbeat(context, params.run_id),
    stop: (context, { params, body }) => stopRun(context, params.run_id, body?.status ?? "stopped"),
  };
}
