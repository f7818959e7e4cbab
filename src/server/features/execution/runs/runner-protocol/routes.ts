/** The protocol of runners; see `src/shared/execution/runner/protocol.ts`. */
import {
  heartbeats,
  offerRequest,
  runEnd,
  RUNNER_PATH,
  type HeartbeatReplies,
} from "#shared/execution/runner/protocol.js";
import { notFound } from "../../../../errors.js";
import { Answer } from "../../../../http/answers/answer.js";
import { rawRoutes, type RawRequest, type RawRoute } from "../../../../http/raw-routes.js";
import type { Routes } from "../../../../http/register-routes.js";
import { endRunOnRunner } from "../on-runners/end-on-runner.js";
import { recordRunnerHeartbeats } from "../on-runners/runner-runs.queries.js";
import { startOnRunner } from "../on-runners/start-on-runner.js";
import { authenticateForRun, authenticateRunner } from "./authenticate-runner.js";
import { fetchRoutes } from "./git.js";
import { parseBody } from "./parse-body.js";
import { ofRun, type ProtocolDeps } from "./protocol-deps.js";
import { uploadRoutes } from "./uploads.js";

export function protocolRoutes(deps: ProtocolDeps): Routes[] {
  return [rawRoutes(callsOf(deps)), ...uploadRoutes(deps), fetchRoutes(deps)];
}

/** The calls with JSON. */
function callsOf(deps: ProtocolDeps): RawRoute[] {
  const { db } = deps;
  return [
    {
      method: "POST",
      path: `${RUNNER_PATH}/offers`,
      handle: async (request) => {
        const { id, run_id: onlyRun } = await authenticateRunner(deps, request);
        if (onlyRun !== null) throw notFound();
        const asked = parseBody(offerRequest, request.body);
        const { left, done } = untilDisconnected(request);
        try {
          return new Answer({ runs: await deps.offers.ask(id, asked, left) });
        } finally {
          done();
        }
      },
    },
    {
      method: "POST",
      path: ofRun("start"),
      handle: async (request) => {
        const { runnerId, runId } = await authenticateForRun(deps, request);
        const job = await startOnRunner(deps, runnerId, runId);
        // The token is used at any process.
        await db.changes.syncLocal();
        return new Answer(job, { headers: { "cache-control": "no-store" } });
      },
    },
    {
      method: "POST",
      path: `${RUNNER_PATH}/heartbeats`,
      handle: async (request) => {
        const { id, run_id: onlyRun } = await authenticateRunner(deps, request);
        const { runs } = parseBody(heartbeats, request.body);
        const own = runs.filter(
          ({ run_id }) => onlyRun === null || run_id.toLowerCase() === onlyRun,
        );
        const replies = await db.withSystem("extend the leases of a runner", (tx) =>
          recordRunnerHeartbeats(tx, id, own),
        );
        const held = new Map(replies.map((reply) => [reply.id, reply]));
        return new Answer<HeartbeatReplies>({
          runs: runs.map(({ run_id }) => {
            const reply = held.get(run_id.toLowerCase());
            if (!reply) return { run_id, state: "gone" };
            if (reply.stop_status === null) return { run_id, state: "run" };
            const detail = reply.stop_detail ?? "It was stopped.";
            return { run_id, state: "stop", status: reply.stop_status, detail };
          }),
        });
      },
    },
    {
      method: "POST",
      path: ofRun("end"),
      handle: async (request) => {
        const { runnerId, runId } = await authenticateForRun(deps, request);
        await endRunOnRunner(deps, runnerId, runId, parseBody(runEnd, request.body));
        // The next call of the runner's user sees the end.
        await db.changes.syncLocal();
        return new Answer(null, { status: 204 });
      },
    },
  ];
}

/** Returns a signal that is aborted when the client disconnects; `done` ends the watch. */
function untilDisconnected({ raw }: RawRequest): { left: AbortSignal; done: () => void } {
  const controller = new AbortController();
  const leave = (): void => controller.abort();
  raw.socket.once("close", leave);
  if (raw.socket.destroyed) leave();
  return { left: controller.signal, done: () => raw.socket.off("close", leave) };
}
