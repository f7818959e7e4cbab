import type { FirstAnswer } from "#shared/first-answers.js";
import { firstAnswersId } from "#shared/first-answers.js";

/** Maximum age of preloaded responses, from the start of the page; milliseconds. */
const freshMs = 30_000;

let answers: Map<string, FirstAnswer> | undefined;

/**
 * Returns the response that the server embedded in the page (src/server/pages/pages.ts), at most once.
 * Undefined if none was embedded, it is too old, or a request has changed data since.
 */
export function takePreloaded(path: string, { method }: RequestInit): Response | undefined {
  answers ??= new Map(answersInPage().map((answer) => [answer.path, answer]));
  if (method !== "GET" || performance.now() > freshMs) answers.clear();
  const answer = answers.get(path);
  answers.delete(path);
  return answer && new Response(answer.body, { headers: answer.headers });
}

/**
 * Returns the id of the last event that the preloaded responses include, where the event stream starts;
 * undefined in development.
 */
export function preloadedSince(): string | undefined {
  return document.getElementById(firstAnswersId)?.dataset["since"];
}

function answersInPage(): FirstAnswer[] {
  const text = document.getElementById(firstAnswersId)?.textContent ?? "[]";
  return JSON.parse(text) as FirstAnswer[];
}
