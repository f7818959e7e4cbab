/** Uploads of runners whose bodies are read as they arrive. */
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import {
  egressReport,
  LOG_TYPE,
  MAX_EGRESS_BYTES,
  MAX_LOG_UPLOAD_BYTES,
  WORK_TYPE,
} from "#shared/execution/runner/protocol.js";
import { AppError, unavailable } from "../../../../errors.js";
import { Answer } from "../../../../http/answers/answer.js";
import { rawRoutes, type RawRequest, type RawRoute } from "../../../../http/raw-routes.js";
import type { Routes } from "../../../../http/register-routes.js";
import { withUploadTimeout } from "../../../../http/server/upload-timeout.js";
import { appendLog } from "../on-runners/append-log.js";
import { reportEgress } from "../on-runners/report-egress.js";
import { takeRunWork } from "../on-runners/take-run-work.js";
import { authenticateForRun } from "./authenticate-runner.js";
import { parseBody } from "./parse-body.js";
import { ofRun, type ProtocolDeps } from "./protocol-deps.js";

/** Each upload has a media type of its own; another one is answered by 415. */
export function uploadRoutes(deps: ProtocolDeps): Routes[] {
  return [
    upload(
      { [LOG_TYPE]: MAX_LOG_UPLOAD_BYTES },
      {
        method: "POST",
        path: ofRun("log"),
        handle: async (request) => {
          const { runnerId, runId } = await authenticateForRun(deps, request);
          const offset = Number(request.query["offset"] ?? "");
          if (!/^\d{1,15}$/.test(request.query["offset"] ?? "")) {
            throw new AppError("bad_request", "The query needs offset, a number of bytes.");
          }
          const bytes = await readBody(request);
          return new Answer({ offset: await appendLog(deps, runnerId, runId, offset, bytes) });
        },
      },
    ),
    // Larger than the bodies of other calls.
    upload(
      { "application/json": MAX_EGRESS_BYTES },
      {
        method: "POST",
        path: ofRun("egress"),
        handle: async (request) => {
          const { runnerId, runId } = await authenticateForRun(deps, request);
          const bytes = await readBody(request);
          const report = parseBody(egressReport, parseJson(bytes));
          await reportEgress(deps, runnerId, runId, report);
          return new Answer(null, { status: 204 });
        },
      },
    ),
    // Limited by the maximum size of a push while it is read.
    upload(
      { [WORK_TYPE]: Infinity },
      {
        method: "POST",
        path: ofRun("work"),
        handle: async (request) => {
          const { runnerId, runId } = await authenticateForRun(deps, request);
          const { ended } = request.query;
          if (ended !== "true" && ended !== "false") {
            throw new AppError("bad_request", "The query needs ended, true or false.");
          }
          const body = bodyOf(request);
          const { chunks, signal } = withUploadTimeout(request.raw, body);
          const stop = (): void => void body.destroy(unavailable("The server is stopping."));
          deps.closing.addEventListener("abort", stop, { once: true });
          try {
            const receipt = await takeRunWork(deps, runnerId, runId, {
              chunks,
              hasEnded: ended === "true",
              signal: AbortSignal.any([signal, deps.closing]),
            });
            // The next call of a reader sees the commits.
            await deps.db.changes.syncLocal();
            return new Answer(receipt);
          } finally {
            deps.closing.removeEventListener("abort", stop);
          }
        },
      },
    ),
  ];
}

/** @param bodies maximum bytes by media type */
function upload(bodies: Readonly<Record<string, number>>, route: RawRoute): Routes {
  return rawRoutes([route], { bodies });
}

/** @throws AppError 400 */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new AppError("malformed_json", "The body is not valid JSON; send one JSON object.");
  }
}

/** @throws AppError 408 when the client pauses for too long; 413 */
async function readBody(request: RawRequest): Promise<Buffer> {
  const body = bodyOf(request);
  const late = setTimeout(() => body.destroy(tooLate()), UPLOAD_MS).unref();
  try {
    return await buffer(body);
  } finally {
    clearTimeout(late);
  }
}

const bodyOf = ({ body }: RawRequest): Readable => (body ?? Readable.from([])) as Readable;

/** Enough for the largest upload of a log on a slow line. */
const UPLOAD_MS = 60_000;

function tooLate(): AppError {
  return new AppError("request_timeout", "The body did not arrive in time; send it again.");
}
