import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Check } from "#shared/node/doctor-check.js";
import { textOf } from "../connection/http.js";
import { ANSWER_MS, OUTSIDE_MS, type Place } from "./place.js";

/** Announced, and not sent. */
const ANNOUNCED_BYTES = 100_000_000;

const UNLIMITED = "Let the proxy pass bodies of any size (nginx: client_max_body_size 0;).";

/**
 * Large bodies through the proxy. A body of 100 MB is announced and only begun: Omoi refuses it at once, in its own
 * words, unless the proxy refuses it or waits for all of it.
 */
export function largeBodies({ url }: Place): Check {
  return {
    name: "large-bodies",
    tried: "Announce a body of 100 MB, and send its first byte",
    cure: UNLIMITED,
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      const answer = await announce(url, signal);
      if (answer === null) {
        return {
          status: "warning",
          seen: "the proxy collects the whole body before it passes it on, which delays pushes and fills its disk",
          cure: "Let the proxy pass bodies on as they come (nginx: proxy_request_buffering off;).",
        };
      }
      const { statusCode } = answer;
      const text = await textOf(answer);
      // The body is never completed.
      answer.destroy();
      // It is what each call without a large body answers.
      if (statusCode === 413 && text.includes('"body_too_large"')) {
        return { status: "ok", seen: "the proxy passes it on at once" };
      }
      return {
        status: "failed",
        seen: `the proxy answers ${statusCode} in the place of Omoi`,
        cure: UNLIMITED,
      };
    },
  };
}

/** Returns the answer; null without one. @throws an error of the connection */
function announce(url: URL, signal: AbortSignal): Promise<IncomingMessage | null> {
  const limit = AbortSignal.timeout(ANSWER_MS);
  return new Promise((resolve, reject) => {
    const ask = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = ask(
      new URL("/api/v1/auth/login", url),
      {
        method: "POST",
        agent: false,
        signal: AbortSignal.any([signal, limit]),
        headers: { "content-type": "application/json", "content-length": ANNOUNCED_BYTES },
      },
      resolve,
    );
    request.on("error", (error) => {
      if (limit.aborted && !signal.aborted) resolve(null);
      else reject(error);
    });
    request.write("{");
  });
}
