import type { FirstAnswer } from "#shared/first-answers.js";
import { firstAnswersId } from "#shared/first-answers.js";

/** How long after the page began its answers are as good as new ones. */
const freshMs = 30_000;

let answers: Map<string, FirstAnswer> | undefined;

/**
 * The answer that the server sent along with the page (src/server/pages/pages.ts), once; undefined where
 * there is none, or not any more: what was answered before something changed, such as who is signed in,
 * is no answer.
 */
export function takePreloaded(path: string, { method }: RequestInit): Response | undefined {
  answers ??= new Map(answersInPage().map((answer) => [answer.path, answer]));
  if (method !== "GET" || performance.now() > freshMs) answers.clear();
  const answer = answers.get(path);
  answers.delete(path);
  return answer && new Response(answer.body, { headers: answer.headers });
}

/** The event after which to listen, so as to hear of all that the page's answers lack; none in development. */
export function preloadedSince(): string | undefined {
  return document.getElementById(firstAnswersId)?.dataset["since"];
}

function answersInPage(): FirstAnswer[] {
  const text = document.getElementById(firstAnswersId)?.textContent ?? "[]";
  return JSON.parse(text) as FirstAnswer[];
}
