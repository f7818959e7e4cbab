import { setImmediate as turn } from "node:timers/promises";
import { resembles, searchWords } from "#shared/work/search-words.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import {
  hasTasks,
  listTitles,
  type TaskFilter,
  type TaskScope,
} from "./queries/list-tasks.queries.js";

/** The newest tasks whose titles are compared with misspelled words. */
const COMPARED = 5000;
const MAX_SIMILAR = 200;
/** Titles for each turn of the event loop. */
const TURN = 200;

/** Adds what is searched to the filter of a list: its words, or the tasks with similar words if none has them. */
export async function searched(
  context: Pick<OrgContext, "tx">,
  scope: TaskScope,
  q: string | undefined,
  filter: TaskFilter,
): Promise<TaskFilter> {
  if (q === undefined) return filter;
  const words = searchWords(q.normalize("NFC"));
  const exact = { ...filter, words };
  const titles = await context.tx(async (tx) =>
    (await hasTasks(tx, scope, exact)) ? null : listTitles(tx, scope, filter, COMPARED),
  );
  if (titles === null) return exact;
  const ids: string[] = [];
  for (const [at, { id, text }] of titles.entries()) {
    if (at % TURN === TURN - 1) await turn();
    if (resembles(text, words)) ids.push(id);
    if (ids.length === MAX_SIMILAR) break;
  }
  return { ...filter, ids };
}
