/** Decides what follows from a change on a forge: an automation, an answer to an agent, or nothing with a reason. */
import type { DeliveryDecision } from "#shared/api/work/forge-deliveries.js";
import type { RemotePerson } from "../../forge-discussion.js";
import { isOwnComment } from "../own-comments.js";
import type { Place } from "../place.queries.js";
import { mentions, type Change } from "../seen/changes.js";
import { whoMay, type EventDeps, type Judgment } from "../who-may.js";
import type { Automations, FiringResult, ForgeEvent } from "./automations.js";
import { textOfComments } from "./event-values.js";

/** The decision about one change. */
export interface Decision {
  type: Change["type"];
  decision: DeliveryDecision;
  reason: string | null;
  task_id: string | null;
  login: string | null;
}

/** The context of a change. */
export interface ChangeContext {
  place: Place;
  kind: "issue" | "pull_request";
  number: number;
  task_id: string | null;
  /** Automatic events after each other before this one. */
  chain: number;
  /** Values of the issue or the pull request, with whether they may be trusted. Read once, if a change needs them. */
  values: () => Promise<{ values: Record<string, unknown>; trust: ForgeEvent["trust"] }>;
  /** Returns who changed labels and assignments; null if the forge does not say. */
  actorOf: (change: Change) => Promise<RemotePerson | null>;
  /** Sends the answer to a question that the task's agent asked. Returns false if none waits. */
  answer: (userId: string, text: string) => Promise<boolean>;
  /** Whether a question of the task's agent waits for an answer. */
  isAsked: boolean;
  /** Says on the forge how to link an account, once for each login. Returns whether it was said now. */
  explainLink: (login: string) => Promise<boolean>;
  /** Reads the end of a check's log. */
  readLog: (check: string) => Promise<string | null>;
}

export interface DecideDeps extends EventDeps {
  automations: Automations;
}

/** Decides about one change. @returns null for a comment that is meant for no one here */
export async function decideChange(
  deps: DecideDeps,
  context: ChangeContext,
  change: Change,
): Promise<Decision | null> {
  const { place, kind, number } = context;
  const { type } = change;
  if (change.type === "pull_request.check_failed") return decideCheck(deps, context, change);
  const person = await personOf(context, change);
  const login = person?.login ?? null;
  const ignored = (reason: string): Decision => ({
    type,
    decision: "ignored",
    reason,
    task_id: null,
    login,
  });
  const text = textOf(change);
  if (text !== null && isOwnComment(text.own)) return null;
  const isAnswer = context.isAsked && text !== null && change.type !== "issue.opened";
  const isMeant = text === null || text.isReview || isMentioned(place, text.own);
  if (!isMeant && !isAnswer) return null;
  const { values, trust } = await context.values();
  const event: ForgeEvent = {
    id: eventId(place, kind, number, change),
    type,
    org_id: place.org_id,
    project_id: place.project_id,
    task_id: context.task_id,
    // A person is no link of a chain.
    chain: 0,
    trust,
    values: { ...values, ...valuesOf(change) },
    by: login,
  };
  if (!isAnswer && !(await deps.automations.listens(event))) {
    return {
      type,
      decision: "recorded",
      reason: "No automation listens to it.",
      task_id: null,
      login,
    };
  }
  const judgment = await whoMay(deps, place, person);
  if (!judgment.allowed) return ignored(await explain(context, judgment, login));
  if (isAnswer && (await context.answer(judgment.userId, text.own))) {
    return { type, decision: "answered", reason: null, task_id: context.task_id, login };
  }
  if (!isMeant) return null;
  if (isStart(change) && context.task_id !== null) {
    return { ...ignored("A task works on the issue already."), task_id: context.task_id };
  }
  return decisionOf(event, await deps.automations.fire(event), login);
}

const isStart = ({ type }: Change): boolean =>
  type === "pull_request.opened" ||
  type === "issue.labeled" ||
  type === "issue.assigned" ||
  type === "issue.opened";

/** Checks have no author whose permission counts: what they fail with is data for the task that made the commit. */
async function decideCheck(
  deps: DecideDeps,
  context: ChangeContext,
  change: Extract<Change, { type: "pull_request.check_failed" }>,
): Promise<Decision> {
  const { place, kind, number, chain, task_id } = context;
  const { values, trust } = await context.values();
  const event: ForgeEvent = {
    id: eventId(place, kind, number, change),
    type: change.type,
    org_id: place.org_id,
    project_id: place.project_id,
    task_id,
    chain,
    trust,
    values,
    by: null,
  };
  if (!(await deps.automations.listens(event))) {
    const reason = "No automation listens to it.";
    return { type: change.type, decision: "recorded", reason, task_id: null, login: null };
  }
  const { name, url } = change.check;
  const log = (await context.readLog(name)) ?? "";
  const full = { ...event, values: { ...values, check: { name, url: url ?? "", log } } };
  return decisionOf(full, await deps.automations.fire(full), null);
}

/** Returns the id of an event: the same for a change, however often it is reported. */
function eventId(
  { project_id, linked_at }: Place,
  kind: string,
  number: number,
  { key }: Change,
): string {
  // Another repository has the same numbers.
  return `forge ${project_id} ${kind} ${number} ${Date.parse(linked_at)} ${key}`.slice(0, 500);
}

async function explain(
  context: ChangeContext,
  judgment: Extract<Judgment, { allowed: false }>,
  login: string | null,
): Promise<string> {
  const { reason, isUnlinked } = judgment;
  if (!isUnlinked || login === null) return reason;
  const isSaid = await context.explainLink(login);
  return isSaid ? `${reason} Answered with how to link an account.` : reason;
}

async function personOf(context: ChangeContext, change: Change): Promise<RemotePerson | null> {
  switch (change.type) {
    case "issue.commented":
    case "pull_request.commented":
      return change.comment.author;
    case "pull_request.review_submitted":
      return change.review?.author ?? change.comments[0]?.comment.author ?? null;
    default:
      return context.actorOf(change);
  }
}

/** Returns what a person has written; null for changes without words. */
function textOf(change: Change): { own: string; isReview: boolean } | null {
  if (change.type === "issue.commented" || change.type === "pull_request.commented") {
    return { own: change.comment.body, isReview: false };
  }
  if (change.type !== "pull_request.review_submitted") return null;
  const { review, comments } = change;
  const own = [review?.body ?? "", ...comments.map(({ comment }) => comment.body)].join("\n\n");
  return { own, isReview: true };
}

/** Whether a text names the connection, or the product. */
const isMentioned = ({ bot_name }: Place, text: string): boolean =>
  mentions(text, bot_name ?? "") || mentions(text, "omoi");

function valuesOf(change: Change): Record<string, unknown> {
  switch (change.type) {
    case "issue.labeled":
      return { label: change.label };
    case "issue.assigned":
      return { assignee: change.assignee };
    case "issue.commented":
    case "pull_request.commented": {
      const { body, author, url } = change.comment;
      return { comment: { body, author: author.login, url } };
    }
    case "pull_request.review_submitted": {
      const { review, comments } = change;
      const [first] = comments;
      const body = [review?.body.trim() ?? "", textOfComments(comments)];
      const author = review?.author.login ?? first?.comment.author.login ?? "";
      const said = {
        body: body.filter((part) => part !== "").join("\n\n"),
        author,
        url: first?.comment.url ?? "",
      };
      return { review: { ...said, verdict: review?.verdict ?? "comment" }, comment: said };
    }
    default:
      return {};
  }
}

const ORDER: FiringResult["decision"][] = ["fired", "queued", "failed", "refused", "skipped"];

/** Returns the strongest of the results of the automations that listened. */
function decisionOf(
  { type, task_id }: ForgeEvent,
  results: readonly FiringResult[],
  login: string | null,
): Decision {
  const sorted = results.toSorted(
    (one, other) => ORDER.indexOf(one.decision) - ORDER.indexOf(other.decision),
  );
  const [first] = sorted;
  const kind = type as Change["type"];
  if (!first) {
    return {
      type: kind,
      decision: "recorded",
      reason: "No automation listens to it.",
      task_id: null,
      login,
    };
  }
  const reasons = sorted.flatMap(({ automation, reason }) =>
    reason === null ? [] : [`${automation}: ${reason}`],
  );
  const decision =
    first.decision === "fired"
      ? first.task_id !== null && first.task_id === task_id
        ? "prompted"
        : "started"
      : first.decision === "queued"
        ? "queued"
        : first.decision === "failed"
          ? "failed"
          : "ignored";
  const reason = reasons.length === 0 ? null : reasons.join(" ").slice(0, 1000);
  return { type: kind, decision, reason, task_id: first.task_id, login };
}
