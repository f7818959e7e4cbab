import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Check } from "#shared/node/doctor-check.js";
import { send } from "../connection/http.js";
import { ANSWER_MS, hostOf, OUTSIDE_MS, type Place } from "./place.js";

const CURE =
  "Let the proxy answer at port 80 with a redirect to https:// (nginx: return 308 https://$host$request_uri;).";

/** Checks that port 80 leads a browser that has only the name to HTTPS. */
export function redirect({ url }: Place): Check {
  const plain = `http://${url.hostname}/`;
  return {
    name: "redirect",
    tried: `Ask ${plain}, which a browser may try first`,
    cure: CURE,
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      if (url.protocol !== "https:") return { status: "skipped", seen: "there is no HTTPS" };
      if (url.port !== "") {
        return { status: "skipped", seen: "the public address is not at the usual port" };
      }
      const answer = await get(plain, signal).catch((error: NodeJS.ErrnoException) => error);
      if (answer instanceof Error) {
        return {
          status: "warning",
          seen: `no answer (${answer.code ?? answer.message})`,
          cure: CURE,
        };
      }
      const { statusCode = 0, headers } = answer;
      const { location = "" } = headers;
      if (statusCode >= 300 && statusCode < 400 && location.startsWith(`https://${hostOf(url)}`)) {
        return { status: "ok", seen: `it leads to ${location}` };
      }
      return { status: "failed", seen: `status ${statusCode}, without a way to HTTPS`, cure: CURE };
    },
  };
}

function get(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    httpRequest(url, { agent: false, signal: limit }, (response) => {
      response.destroy();
      resolve(response);
    })
      .on("error", reject)
      .end();
  });
}

/** Whether browsers remember to use HTTPS alone. */
export function strictTransport({ url }: Place): Check {
  const cure =
    'Let the proxy send it (nginx: add_header Strict-Transport-Security "max-age=31536000" always;).';
  return {
    name: "strict-transport",
    tried: "Look for the header Strict-Transport-Security",
    cure,
    limitMs: OUTSIDE_MS,
    run: async (signal) => {
      if (url.protocol !== "https:") return { status: "skipped", seen: "there is no HTTPS" };
      const answer = await send({ url: url.origin, token: null }, "/login", {
        method: "GET",
        signal,
      });
      answer.destroy();
      const value = answer.headers["strict-transport-security"];
      if (value !== undefined) return { status: "ok", seen: value };
      return { status: "warning", seen: "it is missing", cure };
    },
  };
}
