/** Reads an issue again, and decides about all that has changed since it was seen last. */
import { systemOrigin } from "../../../../../db/audit/audit.js";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { contextOf } from "../../../tasks/index.js";
import type { RemotePerson } from "../../forge-discussion.js";
import { answerQuestion, findQuestion } from "../comments/questions.js";
import { explainLinking } from "../comments/explain-linking.js";
import { decideChange, type ChangeContext, type Decision } from "../decide/decide-change.js";
import { valuesOfIssue, writers } from "../decide/event-values.js";
import { findOpenTaskOfIssue, linkTask, type Place } from "../place.queries.js";
import {
  changesOfIssue,
  commentsSince,
  newComments,
  nothingSeen,
  type Change,
} from "../seen/changes.js";
import * as seen from "../seen/seen.queries.js";
import type { WorkDeps } from "../work-deps.js";

/** What was decided, and the write that records what was seen, for the transaction that ends the deliveries. */
export interface Work {
  decisions: Decision[];
  record: (tx: Queryable) => Promise<void>;
}

/**
 * @param hint who caused the change, if a delivery says so; the forge is asked otherwise
 * @throws ForgeError
 */
export async function workOnIssue(
  deps: WorkDeps,
  place: Place,
  number: number,
  hint: (change: Change) => RemotePerson | null,
): Promise<Work> {
  const { db, clients } = deps;
  const { org_id, project_id, forge_id, repository } = place;
  const key = { org_id, project_id, kind: "issue" as const, number };
  const [row, task] = await db.tenant(
    org_id,
    async (tx) =>
      [await seen.findSeen(tx, key), await findOpenTaskOfIssue(tx, project_id, number)] as const,
  );
  const before = row?.state ?? null;
  const at = { repository, kind: "issue" as const, number };
  const since = commentsSince(before ?? nothingSeen, place.linked_at);
  const { issue, comments } = await clients.use(org_id, forge_id, async (forge) => ({
    issue: await forge.readIssue(repository, number),
    comments: await forge.listComments(at, since),
  }));
  const isOld = place.first_issues === null || number <= place.first_issues;
  const state = changesOfIssue(before, issue, isOld);
  const said = newComments(state.after, comments, place.linked_at);
  const changes: Change[] = [
    ...state.changes,
    ...said.comments.map((comment) => ({
      type: "issue.commented" as const,
      key: `comment ${comment.id}`,
      comment,
    })),
  ];
  const question = task && (await findQuestion(deps, org_id, task.id, { kind: "issue", number }));
  let values: ReturnType<ChangeContext["values"]> | null = null;
  const context: ChangeContext = {
    place,
    kind: "issue",
    number,
    task_id: task?.id ?? null,
    chain: 0,
    values: () =>
      (values ??= clients.use(org_id, forge_id, async (forge) => {
        const all = await forge.listComments(at, null);
        return valuesOfIssue(issue, all, writers(forge, repository));
      })),
    actorOf: async (change) => {
      if (change.type === "issue.opened") return issue.author;
      const known = hint(change);
      if (known !== null) return known;
      const by =
        change.type === "issue.labeled"
          ? { label: change.label }
          : change.type === "issue.assigned"
            ? { assignee: change.assignee }
            : null;
      if (by === null) return null;
      return clients.use(org_id, forge_id, (forge) => forge.findActor(repository, number, by));
    },
    isAsked: question !== undefined,
    answer: async (userId, text) =>
      task !== undefined &&
      question !== undefined &&
      answerQuestion(deps, await contextOfUser(deps, org_id, userId), task.id, question, text),
    explainLink: (login) => explainLinking(deps, place, key, login),
    readLog: async () => null,
  };
  const decisions: Decision[] = [];
  for (const change of changes) {
    const decision = await decideChange(deps, context, change);
    if (!decision) continue;
    decisions.push(decision);
    const { task_id } = decision;
    if (decision.decision !== "started" || task_id === null) continue;
    await db.tenant(org_id, (tx) => linkTask(tx, place, task_id, issue));
    context.task_id ??= task_id;
  }
  return {
    decisions,
    record: (tx) => seen.putSeen(tx, { ...key, state: said.after, chain: 0 }),
  };
}

/** Returns the context of a person who acts by the forge. @throws AppError 403 */
export const contextOfUser = (deps: WorkDeps, orgId: string, userId: string) =>
  contextOf(deps.runs, {
    org_id: orgId,
    origin: { ...systemOrigin, actor: { userId, agent: null, key: null } },
  });
