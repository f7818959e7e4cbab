import type { FirstAnswer } from "#shared/first-answers.js";
import { firstAnswersId } from "#shared/first-answers.js";

/** Maximum age of preloaded responses, from the start of the page; milliseconds. */
const maxAgeMs = 30_000;

let responses: Map<string, FirstAnswer> | undefined;

/**
 * Returns the response that the server embedded in the page (src/server/pages/pages.ts), at most once.
 * Undefined if none was embedded, it is too old, or a request has changed data since.
 */
export function takePreloaded(path: string, { method }: RequestInit): Response | undefined {
  responses ??= new Map(embeddedResponses().map((response) => [response.path, response]));
  if (method !== "GET" || performance.now() > maxAgeMs) responses.clear();
  const response = responses.get(path);
  responses.delete(path);
  return response && new Response(response.body, { headers: response.headers });
}

/**
 * Returns the id of the last event that the preloaded responses include, where the event stream starts;
 * undefined in development.
 */
export function preloadedSince(): string | undefined {
  return document.getElementById(firstAnswersId)?.dataset["since"];
}

function embeddedResponses(): FirstAnswer[] {
  const text = document.getElementById(firstAnswersId)?.textContent ?? "[]";
  return JSON.parse(text) as FirstAnswer[];
}
