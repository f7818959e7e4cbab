import { authorOf } from "../../../../access/author.queries.js";
import type { z } from "zod";
import type { agentSessions, NewSession, Session } from "#shared/api/work/sessions.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { originOf } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import type { CallerContext } from "../../../../http/requests/request-context.js";
import { definitionOf } from "#execution/presets/presets.js";
import { requireAllowedModel } from "../presets/resolve-preset.js";
import type { RunDeps } from "../run-deps.js";
import { findDefaults } from "../runs.queries.js";
import { rejectRunToken, startManagedRun, type SessionRun } from "../start-run.js";
import { requestStop, waitForEnd } from "../../run-ends/index.js";
import { createConversation } from "./conversation/conversation.js";
import * as inputs from "./inputs.queries.js";
import * as queries from "./sessions.queries.js";
import { isPerson } from "../../../../access/authenticate.js";
import { cut } from "./session-updates.js";

/** Maximum prompts that wait for a turn. */
const MAX_WAITING = 10;
const MAX_TITLE = 80;

interface SessionStart {
  id?: string;
  /** The session whose place it takes, and whose prompts it gets that were not taken. */
  former?: string;
  /** Called in the transaction that starts the session, before it. It may refuse. */
  prepare?: (tx: Queryable) => Promise<void>;
  /** Called in that transaction with the number of the first prompt. */
  stored?: (tx: Queryable, number: number) => Promise<void>;
}

/**
 * Starts a session, with its first prompt if there is one. A session of this id is started once.
 * @throws AppError as `startManagedRun`
 */
export async function startSession(
  deps: RunDeps,
  context: CallerContext,
  agentId: string,
  wanted: NewSession,
  { id = newId(), former, prepare, stored }: SessionStart = {},
): Promise<Session> {
  rejectRunToken(context);
  const { preset, prompt, model } = wanted;
  const command = wanted.command ?? definitionOf(preset)?.sessionCommandOf(model ?? null) ?? [];
  const { allowed_hosts: ofProject, allowed_models } = await context.tx((tx) =>
    findDefaults(tx, agentId),
  );
  requireAllowedModel(model, allowed_models);
  const network = wanted.network ?? "restricted";
  const allowed_hosts =
    network === "restricted"
      ? (wanted.allowed_hosts ?? ofProject ?? definitionOf(preset)?.hosts ?? [])
      : null;
  const session = {
    id,
    org_id: context.orgId,
    agent_id: agentId,
    preset,
    command: [...command],
    network,
    allowed_hosts: allowed_hosts === null ? null : [...allowed_hosts],
    status: "starting" as const,
    title: prompt === undefined ? presetTitles[preset] : titleOf(prompt),
  };
  const by = authorOf(context);
  await runSession(deps, context, session, async (tx) => {
    await prepare?.(tx);
    const followed = former === undefined ? undefined : await queries.lockSession(tx, former);
    const title = prompt === undefined ? (followed?.title ?? session.title) : session.title;
    await queries.insertSession(tx, { ...session, title, created_by: by as never });
    if (followed) await inputs.movePrompts(tx, followed.id, id);
    if (prompt === undefined) return;
    const number = await insertPrompt(tx, context, session, prompt);
    await stored?.(tx, number);
  });
  return read(context, id);
}

/** Returns its number. */
const insertPrompt = (
  tx: Queryable,
  context: CallerContext,
  session: { id: string; org_id: string },
  text: string,
): Promise<number> =>
  inputs.insertInput(tx, session, {
    kind: "prompt",
    data: { text },
    sent_by: authorOf(context),
    origin: originOf(context),
  });

/** Starts a run of the session's program. */
async function runSession(
  deps: RunDeps,
  context: CallerContext,
  session: Pick<
    queries.SessionRow,
    "id" | "agent_id" | "preset" | "command" | "network" | "allowed_hosts"
  >,
  prepare: (tx: Queryable) => Promise<void>,
): Promise<void> {
  const { id, agent_id, preset, command, network, allowed_hosts } = session;
  const { db, storage, streams, log } = deps;
  const { orgId } = context;
  const run: SessionRun = {
    id,
    command,
    prepare,
    open: async (runId, projectId, masker) => {
      const stored = await db.tenant(orgId, (tx) => queries.lockSession(tx, id));
      if (!stored) throw notFound();
      const path = storage.transcript(orgId, projectId, id);
      const written = (): void => streams.written(id);
      const saveTurn = () => deps.saveTurn(orgId, agent_id);
      const common = { db, log, session: stored, runId, masker, path, written, saveTurn };
      return (end) => createConversation({ ...common, end });
    },
  };
  const wanted = {
    preset,
    network,
    ...(allowed_hosts !== null && { allowed_hosts }),
  };
  await startManagedRun(deps, context, agent_id, wanted, run);
}

interface PromptHooks {
  /** Called in the transaction that stores the prompt. */
  prepare?: (tx: Queryable, number: number) => Promise<void>;
  /** Called in the transaction that removes it again, if the program cannot start. */
  undo?: (tx: Queryable) => Promise<void>;
}

/**
 * Sends a prompt to a session, and starts its program again if it has ended.
 * @throws AppError 404; 409 `session_closed`, `too_many_prompts`, and as `startManagedRun`
 */
export async function sendPrompt(
  deps: RunDeps,
  context: CallerContext,
  sessionId: string,
  text: string,
  { prepare, undo }: PromptHooks = {},
): Promise<Session> {
  rejectRunToken(context);
  const { session, number } = await context.change(async (tx) => {
    const found = await queries.lockSession(tx, sessionId);
    if (!found) throw notFound();
    requireOpen(found);
    if ((await inputs.countWaiting(tx, sessionId)) >= MAX_WAITING) {
      throw new AppError(
        "too_many_prompts",
        `${MAX_WAITING} prompts wait already; wait for the end of the turn, or cancel it.`,
      );
    }
    const sent = await insertPrompt(tx, context, found, text);
    await prepare?.(tx, sent);
    return { session: found, number: sent };
  });
  if (!session.isRunning) {
    try {
      await startProgram(deps, context, session);
    } catch (error) {
      const isRefused = await deps.db.tenant(context.orgId, async (tx) => {
        // Another caller may have started it with both prompts.
        if ((await queries.lockSession(tx, sessionId))?.isRunning === true) return false;
        if (!(await inputs.dropInput(tx, number))) return false;
        await undo?.(tx);
        return true;
      });
      if (isRefused) throw error;
    }
  }
  return read(context, sessionId);
}

/** Starts the program of a session again, once its last run has ended. @throws AppError as `sendPrompt` */
export async function startProgram(
  deps: RunDeps,
  context: CallerContext,
  session: queries.SessionRow,
): Promise<void> {
  if (session.run_id !== null) {
    await waitForEnd(deps.db, context.orgId, { id: session.run_id });
  }
  await runSession(deps, context, session, async (tx) => {
    const found = await queries.lockSession(tx, session.id);
    if (!found) throw notFound();
    requireOpen(found);
  });
}

/** Asks the program of a session to end its turn, in the transaction that stores its next prompt. */
export async function interruptTurn(
  tx: Queryable,
  context: CallerContext,
  sessionId: string,
): Promise<void> {
  const found = await queries.lockSession(tx, sessionId);
  if (!found?.isRunning) return;
  if (found.status !== "working" && found.status !== "waiting_for_permission") return;
  const sent_by = authorOf(context) as never;
  await inputs.insertInput(tx, found, { kind: "cancel", data: {}, sent_by });
}

/** Cancels the turn of a session and the prompts that wait. @throws AppError 404 */
export async function cancelTurn(context: CallerContext, sessionId: string): Promise<Session> {
  rejectRunToken(context);
  await context.change(async (tx) => {
    const found = await queries.lockSession(tx, sessionId);
    if (!found) throw notFound();
    await inputs.dropPrompts(tx, sessionId);
    if (!found.isRunning) return;
    const sent_by = authorOf(context) as never;
    await inputs.insertInput(tx, found, { kind: "cancel", data: {}, sent_by });
  });
  return read(context, sessionId);
}

/**
 * Answers a request for a permission. The first answer counts. Only a person answers: an agent would allow itself
 * what it asks for.
 * @throws AppError 403; 404; 409 `permission_answered`, `session_closed`; 422 for an option that was not offered
 */
export async function answerPermission(
  context: CallerContext,
  sessionId: string,
  requestId: string,
  optionId: string,
): Promise<Session> {
  if (!isPerson(context.actor)) {
    throw new AppError("insufficient_permission", "Only a person can answer requests of agents.");
  }
  await context.change(async (tx) => {
    const found = await queries.lockSession(tx, sessionId);
    if (!found) throw notFound();
    if (await inputs.isAnswered(tx, sessionId, requestId)) throw answered();
    if (found.closed_at !== null) requireOpen(found);
    const request = found.permissions.find(({ request_id }) => request_id === requestId);
    // Its turn may have ended.
    if (!request) throw notFound();
    if (!request.options.some(({ option_id }) => option_id === optionId)) {
      throw new AppError("validation_failed", "The agent did not offer this option.", {
        errors: [{ loc: ["body", "option_id"], msg: "is not offered", type: "invalid" }],
      });
    }
    await inputs.insertInput(tx, found, {
      kind: "permission",
      data: { request_id: requestId, option_id: optionId },
      sent_by: authorOf(context),
    });
  });
  return read(context, sessionId);
}

const answered = (): AppError =>
  new AppError("permission_answered", "The request was answered already; the first answer counts.");

/**
 * Changes the title, the mode or an option of a session. Only a person changes more than the title: one mode may
 * ask for no permissions.
 * @throws AppError 403; 404; 409 `session_closed`; 422 for what the program does not offer
 */
export async function changeSession(
  context: CallerContext,
  sessionId: string,
  { title, mode_id, option }: SessionChanges,
): Promise<Session> {
  rejectRunToken(context);
  if (!isPerson(context.actor) && (mode_id ?? option) !== undefined) {
    throw new AppError("insufficient_permission", "Only a person can change the mode of agents.");
  }
  await context.change(async (tx) => {
    const found = await queries.lockSession(tx, sessionId);
    if (!found) throw notFound();
    requireOpen(found);
    if (title !== undefined) await queries.updateSession(tx, sessionId, { title });
    const sent_by = authorOf(context) as never;
    if (mode_id !== undefined) {
      if (!found.modes?.available.some(({ id }) => id === mode_id)) throw notOffered("mode_id");
      await inputs.dropChoice(tx, sessionId, { kind: "mode" });
      await inputs.insertInput(tx, found, { kind: "mode", data: { mode_id }, sent_by });
    }
    if (option !== undefined) {
      const offered = found.options.find(({ id }) => id === option.id);
      if (!offered?.values.some(({ value }) => value === option.value)) throw notOffered("option");
      await inputs.dropChoice(tx, sessionId, { kind: "option", id: option.id });
      await inputs.insertInput(tx, found, { kind: "option", data: option, sent_by });
    }
  });
  return read(context, sessionId);
}

type SessionChanges = z.output<typeof agentSessions.update.body>;

const notOffered = (field: "mode_id" | "option"): AppError =>
  new AppError("validation_failed", "The program does not offer this.", {
    errors: [{ loc: ["body", field], msg: "is not offered", type: "invalid" }],
  });

/** Closes a session and asks its program to end. @throws AppError 404 */
export async function closeSession(context: CallerContext, sessionId: string): Promise<Session> {
  rejectRunToken(context);
  await context.change(async (tx) => {
    const found = await queries.lockSession(tx, sessionId);
    if (!found) throw notFound();
    if (found.closed_at !== null) return;
    await inputs.dropPrompts(tx, sessionId);
    await queries.closeSession(tx, sessionId);
    if (found.run_id === null) return;
    await requestStop(tx, { id: found.run_id }, "succeeded", "The session was closed.");
  });
  return read(context, sessionId);
}

/** @throws AppError 409 `session_closed` */
function requireOpen({ closed_at, status, resumes_by, isRunning }: queries.StoredSession): void {
  if (closed_at !== null) {
    throw new AppError("session_closed", "The session is closed; start a new one.");
  }
  const canGoOn = isRunning || resumes_by !== null;
  if (status === "failed" || !canGoOn) {
    throw new AppError(
      "session_closed",
      "The program of the session has ended and cannot take it up again; start a new one.",
    );
  }
}

async function read({ tx }: CallerContext, id: string): Promise<Session> {
  const found = await tx((transaction) => queries.findSession(transaction, id));
  if (!found) throw notFound();
  return found;
}

/** Returns the first line of a prompt as a title. */
function titleOf(prompt: string): string {
  const [line = ""] = prompt.trim().split("\n");
  return cut(line.trim(), MAX_TITLE);
}
