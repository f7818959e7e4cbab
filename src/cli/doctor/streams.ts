import type { IncomingMessage } from "node:http";
import type { Check } from "#shared/node/doctor-check.js";
import { urlOf } from "#shared/contract/call.js";
import type { Connection } from "../connection/connect.js";
import { send, textOf } from "../connection/http.js";
import { organizationOf } from "../connection/names.js";
import { describedCall } from "../contract/calls.js";
import { UsageError } from "../output/failures.js";
import { ANSWER_MS, OUTSIDE_MS } from "./place.js";

/**
 * Events through the proxy. The stream of an organization begins with an event and never ends, so a proxy that
 * buffers answers passes nothing on.
 */
export function streams(connection: Connection): Check {
  const cure =
    "Let the proxy pass answers on as they come (nginx: proxy_buffering off; Caddy: flush_interval -1).";
  return {
    name: "streams",
    tried: "Open a stream of events, and wait for the first one",
    cure,
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      const org_id = await organizationOf(connection).catch((error: unknown) => {
        if (error instanceof UsageError) return null;
        throw error;
      });
      if (org_id === null) return { status: "skipped", seen: NO_ORGANIZATION };
      const path = urlOf(describedCall("events.stream"), { params: { org_id } });
      const limit = AbortSignal.timeout(ANSWER_MS);
      try {
        const answer = await send(connection, path, {
          method: "GET",
          isStream: true,
          headers: { accept: "text/event-stream" },
          signal: AbortSignal.any([signal, limit]),
        });
        if (answer.statusCode !== 200) {
          throw new Error(`status ${answer.statusCode}: ${await textOf(answer)}`);
        }
        await firstEvent(answer);
        return { status: "ok", seen: "it came while the stream went on" };
      } catch (error) {
        if (!limit.aborted) throw error;
        return { status: "failed", seen: `it did not come within ${ANSWER_MS / 1000} s`, cure };
      }
    },
  };
}

export const NO_ORGANIZATION = "it needs one of your organizations: name it with --org";

/** Reads until an event is complete, and gives up the stream. */
async function firstEvent(answer: IncomingMessage): Promise<void> {
  let text = "";
  // Leaving the loop destroys the stream.
  for await (const chunk of answer) {
    text += String(chunk);
    if (text.includes("\n\n")) return;
  }
  throw new Error("the stream ended before its first event");
}
