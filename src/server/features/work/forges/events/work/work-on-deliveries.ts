/** Works on the deliveries of one connection, one after the other, those that name the same thing together. */
import type { DeliveryDecision } from "#shared/api/work/forge-deliveries.js";
import { AppError } from "../../../../../errors.js";
import { fetchInBackground } from "../../../../code/projects/index.js";
import { ForgeError } from "../../forge.js";
import type { RemotePerson } from "../../forge-discussion.js";
import * as queries from "../deliveries.queries.js";
import type { DeliveryRow, Outcome } from "../deliveries.queries.js";
import type { Decision } from "../decide/decide-change.js";
import { findPlace, findRequest, listRequestsAt, type Place } from "../place.queries.js";
import type { Change } from "../seen/changes.js";
import type { WorkDeps } from "../work-deps.js";
import { workOnIssue, type Work } from "./work-on-issue.js";
import { workOnOpened } from "./work-on-opened.js";
import { workOnRequest } from "./work-on-request.js";

/** A delivery is given up after so many attempts, about a day. */
const MAX_ATTEMPTS = 30;
const MAX_PAUSE_SECONDS = 60 * 60;

/** Works on what is due at a connection. Returns whether anything was. */
export async function workOnNext(deps: WorkDeps, orgId: string, forgeId: string): Promise<boolean> {
  const { db, log } = deps;
  const due = await db.tenant(orgId, (tx) => queries.nextDue(tx, forgeId, db.node.id));
  if (!due) return false;
  const { first, all } = due;
  const ids = all.map(({ id }) => id);
  try {
    const place = await db.tenant(orgId, (tx) => findPlace(tx, first.project_id ?? ""));
    const work =
      place?.forge_id === forgeId
        ? await workOnSubject(deps, place, first, all)
        : nothing("The project is no longer linked to the repository.");
    await db.tenant(orgId, async (tx) => {
      await work.record(tx);
      const { outcomes, found } = assign(all, work.decisions);
      for (const [row, outcome] of outcomes) {
        // An event whose change was seen before it arrived.
        const known = isSilent(row, outcome) ? await queries.takeFound(tx, row) : undefined;
        if (isNoise(row, outcome)) await queries.deleteDelivery(tx, row.id);
        else await queries.finishDelivery(tx, row.id, known ?? outcome);
      }
      for (const decision of found) {
        const { type: event, login } = decision;
        await queries.insertFound(tx, first, { ...outcomeOf([decision]), event, login });
      }
    });
  } catch (error) {
    const reason = failureOf(error);
    if (reason === null) log.error({ err: error, delivery: first.id }, "cannot work on a delivery");
    const text = reason ?? "The server has failed; it tries again.";
    await db.tenant(orgId, async (tx) => {
      if (error instanceof ForgeError && error.failure === "not_found") {
        const gone = ignored("The forge finds nothing there, or hides it from the connection.");
        for (const id of ids) await queries.finishDelivery(tx, id, gone);
      } else if (first.attempts + 1 >= MAX_ATTEMPTS) {
        for (const id of ids) {
          await queries.finishDelivery(tx, id, {
            ...ignored(text),
            status: "failed",
            decision: "failed",
          });
        }
      } else {
        await queries.postpone(tx, ids, pauseOf(error, first.attempts), text);
      }
    });
  }
  return true;
}

const ignored = (reason: string): Outcome => ({
  status: "ignored",
  decision: "ignored",
  reason,
  task_id: null,
});

function nothing(reason: string, decision: "ignored" | "recorded" = "ignored"): Work {
  return {
    decisions: [{ type: "issue.opened", decision, reason, task_id: null, login: null }],
    record: async () => {},
  };
}

/** Returns why an attempt has failed, for people; null for a fault of the server. */
function failureOf(error: unknown): string | null {
  if (error instanceof ForgeError) return error.message;
  return error instanceof AppError && error.status < 500 ? error.message : null;
}

/** Seconds until the next attempt: what the forge asks for, else twice as long each time. */
function pauseOf(error: unknown, attempts: number): number {
  const asked = error instanceof ForgeError ? error.retryAfterSeconds : null;
  return asked ?? Math.min(2 ** Math.min(attempts, 12), MAX_PAUSE_SECONDS);
}

async function workOnSubject(
  deps: WorkDeps,
  place: Place,
  { subject, attempts }: DeliveryRow,
  all: readonly DeliveryRow[],
): Promise<Work> {
  const { db, clients } = deps;
  if (subject === null) return nothing("Nothing follows from this kind of event.");
  switch (subject.kind) {
    case "issue":
      return workOnIssue(deps, place, subject.number, (change) => causeOf(change, all));
    case "pull_request": {
      const request = await db.tenant(place.org_id, (tx) =>
        findRequest(tx, place.project_id, subject.number),
      );
      if (request) return workOnRequest(deps, place, request);
      const opened = await workOnOpened(deps, place, subject.number, attempts);
      return opened ?? nothing("The pull request belongs to no task.");
    }
    case "commit":
    case "branch": {
      const at = subject.kind === "commit" ? { sha: subject.sha } : { branch: subject.name };
      const requests = await db.tenant(place.org_id, (tx) =>
        listRequestsAt(tx, place.project_id, at),
      );
      if (subject.kind === "branch" && requests.length === 0) {
        const { default_branch } = await clients.use(place.org_id, place.forge_id, (forge) =>
          forge.repository(place.repository),
        );
        const isFetched = subject.name === default_branch && (await fetchInBackground(deps, place));
        return isFetched
          ? nothing("The branch is fetched.", "recorded")
          : nothing("The branch belongs to no pull request of a task.");
      }
      const works: Work[] = [];
      for (const request of requests) works.push(await workOnRequest(deps, place, request));
      return {
        decisions: works.flatMap(({ decisions }) => decisions),
        record: async (tx) => {
          for (const { record } of works) await record(tx);
        },
      };
    }
  }
}

/** Returns who caused a change: the author of the only delivery, if it is of its kind. */
function causeOf({ type }: Change, all: readonly DeliveryRow[]): RemotePerson | null {
  const [only, another] = all;
  if (!only || another) return null;
  const kind = type === "issue.labeled" ? /labeled|label_updated/ : /assigned|assign/;
  const { event, login, is_bot } = only;
  return login !== null && kind.test(event) ? { login, is_bot } : null;
}

/** Polling finds many changes that are of no interest, such as those of the server itself. */
const isNoise = ({ source }: DeliveryRow, { decision }: Outcome): boolean =>
  source === "polling" && decision === "recorded";

const isSilent = ({ source }: DeliveryRow, { decision, reason }: Outcome): boolean =>
  source === "webhook" && decision === "recorded" && reason === null;

const STRENGTH: readonly DeliveryDecision[] = [
  "started",
  "prompted",
  "answered",
  "queued",
  "failed",
  "ignored",
  "recorded",
];

const byStrength = (one: Decision, other: Decision): number =>
  STRENGTH.indexOf(one.decision) - STRENGTH.indexOf(other.decision);

/**
 * Assigns decisions to the deliveries of their authors. The others are of events that have not arrived yet, or that were
 * missed: they get a delivery of their own.
 */
function assign(
  rows: readonly DeliveryRow[],
  decisions: readonly Decision[],
): { outcomes: [DeliveryRow, Outcome][]; found: Decision[] } {
  const own = new Map<string, Decision[]>(rows.map(({ id }) => [id, []]));
  const found: Decision[] = [];
  for (const decision of decisions) {
    const free = rows.find(
      ({ id, login, event }) =>
        own.get(id)?.length === 0 && login === decision.login && isLike(event, decision.type),
    );
    const polled = rows.find(({ id, source }) => source === "polling" && own.get(id)?.length === 0);
    // Checks have no author.
    const any = decision.login === null ? rows.at(-1) : undefined;
    const row = free ?? polled ?? any;
    if (row) own.get(row.id)?.push(decision);
    else if (decision.decision !== "recorded") found.push(decision);
  }
  const outcomes = rows.map((row): [DeliveryRow, Outcome] => {
    const decided = own.get(row.id) ?? [];
    const outcome = outcomeOf(decided);
    // What polling finds has no name and no author before.
    const [first] = decided.toSorted(byStrength);
    const isFound = row.source === "polling" && first !== undefined;
    return [row, isFound ? { ...outcome, event: first.type, login: first.login } : outcome];
  });
  return { outcomes, found };
}

/** Whether an event of a forge can name a change. */
function isLike(event: string, type: Change["type"]): boolean {
  const isComment = /comment|note/.test(event);
  if (type === "issue.commented" || type === "pull_request.commented") return isComment;
  if (type === "pull_request.review_submitted") return isComment || event.includes("review");
  if (type === "issue.labeled") return /label|update|open|edited/.test(event);
  if (type === "issue.assigned") return /assign|update|open|edited/.test(event);
  return !isComment;
}

function outcomeOf(decisions: readonly Decision[]): Outcome {
  const [first, ...others] = decisions.toSorted(byStrength);
  if (!first) return { status: "done", decision: "recorded", reason: null, task_id: null };
  const reasons = [first, ...others].flatMap(({ reason }) => reason ?? []);
  const reason = reasons.length === 0 ? null : [...new Set(reasons)].join(" ").slice(0, 1000);
  const { decision, task_id } = first;
  const status = decision === "ignored" || decision === "failed" ? decision : "done";
  return { status, decision, reason, task_id };
}
