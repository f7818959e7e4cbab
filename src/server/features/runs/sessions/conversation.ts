/**
 * The server's side of a session while its program runs: the client of the Agent Client Protocol. It offers
 * the program no files and no terminals, since those of its sandbox are its own.
 */
import { setTimeout as pause } from "node:timers/promises";
import { PassThrough, type Writable } from "node:stream";
import {
  client,
  methods,
  PROTOCOL_VERSION,
  RequestError,
  type ClientContext,
  type ClientConnection,
  type LoadSessionRequest,
  type LoadSessionResponse,
  type NewSessionRequest,
  type PromptRequest,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
} from "@agentclientprotocol/sdk";
import type { Logger } from "pino";
import type { PermissionRequest, Session } from "#shared/api/agents/sessions.js";
import type { SandboxedProcess } from "#sandbox/sandbox.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { isDatabaseUnavailable } from "../../../db/connection/failures.js";
import { isRecord } from "../../../models/json.js";
import { newId } from "../../../db/tables/columns.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import * as managed from "../managed-runs.queries.js";
import * as queries from "./sessions.queries.js";
import type { SessionInput, SessionRow } from "./sessions.queries.js";
import { MAX_MESSAGE_BYTES, programStream } from "./program-stream.js";
import { createChoices } from "./session-choices.js";
import { cut, readUpdate } from "./session-updates.js";
import { openTranscript, TranscriptFullError, type Transcript } from "./transcript.js";

/** Updates that wait to be written before the program has to wait, too. */
const MAX_BACKLOG = 200;
/** What the program may send in a second; reading takes the server's time. */
const MAX_BYTES_PER_SECOND = 4 * 1024 * 1024;
/** Requests for permissions at a time; more are refused. */
const MAX_PERMISSIONS = 20;
/** Time for the program to answer before its first turn. */
const START_MS = 60_000;
/** Time for the program to end a canceled turn. */
const CANCEL_MS = 15_000;
/** Gemini CLI repeats the history after its answer: the pause that ends it, and the most time it gets. */
const QUIET_MS = 500;
const MAX_QUIET_MS = 10_000;
/** Time without a turn after which a program is ended that can take up the session again. */
const IDLE_MS = 15 * 60_000;
/** Pause before the database is tried again. */
const RETRY_MS = 500;
/** Interval of looking for inputs, in case a notification was lost. */
const LOOK_MS = 2000;

/** A conversation of a run in progress. */
export interface Conversation {
  /** Takes the program's standard output; resolves once there is room for more. */
  receive(chunk: Buffer): Promise<void> | void;
  /** Speaks with the started program until it ends. */
  start(process: SandboxedProcess): void;
  /** Ends the conversation after the program's end. */
  close(): Promise<void>;
}

export interface ConversationInput {
  db: Database;
  log: Logger;
  session: SessionRow;
  runId: string;
  masker: Masker;
  /** The path of the transcript. */
  path: string;
  /** Called when the transcript has grown. */
  written: () => void;
  /** Ends the run. */
  end: (status: "succeeded" | "failed", detail: string) => void;
}

type Sender = Session["created_by"];

interface Turn {
  isCancelled: boolean;
  /** Whether the program has its prompt. */
  isSent: boolean;
  timer: NodeJS.Timeout | null;
}

export function createConversation(input: ConversationInput): Conversation {
  const { db, log, session, runId, masker, end } = input;
  const { id, org_id } = session;
  const mask = (text: string): string => masker.mask(text);
  const output = new PassThrough({ highWaterMark: 1 << 20 });
  output.on("error", () => undefined);
  let transcript: Transcript | null = null;
  let connection: ClientConnection | null = null;
  let programSession = "";
  let isLoading = false;
  let updatedAt = 0;
  let isClosed = false;
  let hasFailed = false;
  /** Updates are applied one after another. */
  let applied: Promise<unknown> = Promise.resolve();
  let backlog = 0;
  let turn: Turn | null = null;
  /** Whether a prompt is being taken. */
  let isTaking = false;
  /** The loop that takes inputs, and what makes it look again. */
  let taking: Promise<void> | null = null;
  let wake: () => void = () => undefined;
  const permissions = new Map<
    string,
    { request: PermissionRequest; answer: (optionId: string | null) => void }
  >();
  let idle: NodeJS.Timeout | undefined;
  /** When the output so far would have been read at the highest rate, in milliseconds since 1970. */
  let readUntil = 0;

  /** Writes to the database; an outage is waited for, as by the run itself. */
  const persist = async <Result>(
    work: (tx: Queryable) => Promise<Result>,
  ): Promise<Result | undefined> => {
    for (;;) {
      try {
        return await db.tenant(org_id, work);
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
        if (isClosed) return undefined;
        log.warn({ err: error, session: id }, "a session waits for the database");
        await pause(RETRY_MS);
      }
    }
  };
  const save = (changes: Parameters<typeof queries.updateSession>[2]): Promise<void> =>
    persist((tx) => queries.updateSession(tx, id, changes, runId));

  /** Does one thing after another; a failure ends the session, and what follows is left undone. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
    backlog += 1;
    const result = applied.then(async () => {
      try {
        return hasFailed ? undefined : await work();
      } catch (error) {
        fail(error);
        return undefined;
      } finally {
        backlog -= 1;
      }
    });
    applied = result;
    return result;
  };

  const fail = (error: unknown): void => {
    if (hasFailed || isClosed) return;
    hasFailed = true;
    // What still waits to be read is not.
    output.destroy();
    const reason = reasonOf(error, mask);
    if (reason === null) log.error({ err: error, session: id }, "a session failed");
    const detail = mask(
      reason ??
        "The server could not go on with the session; the operator can find the cause in its log.",
    );
    applied = recordFailure(error, detail);
    end("failed", detail);
  };

  const recordFailure = async (error: unknown, detail: string): Promise<void> => {
    try {
      await applied;
      const isFull = error instanceof TranscriptFullError;
      if (!isFull) await transcript?.add({ type: "status", status: "failed", detail });
      await save({ status: "failed", detail, permissions: [] });
    } catch (failure) {
      log.error({ err: failure, session: id }, "cannot record the failure of a session");
    }
  };

  const showStatus = async (): Promise<void> => {
    const status =
      permissions.size > 0 ? "waiting_for_permission" : turn === null ? "idle" : "working";
    await save({
      status,
      detail: null,
      permissions: [...permissions.values()].map(({ request }) => request),
    });
  };

  const onUpdate = (params: unknown): void => {
    updatedAt = Date.now();
    const made = readUpdate(params, programSession, mask);
    // The history that a program repeats is in the transcript.
    const isHistory = isLoading && (made?.kind === "text" || made?.kind === "event");
    if (made === null || isHistory) return;
    void inTurn(async () => {
      if (made.kind === "text") await transcript?.stream(made.type, made.text);
      else if (made.kind === "event") await transcript?.add(made.event);
      else if (made.kind === "mode") await choices.takeMode(made.modeId);
      else await choices.takeOptions(made.options);
    });
  };

  const choices = createChoices({
    session,
    mask,
    save: (changes) => save(changes),
    record: async (event) => transcript?.add(event),
  });

  const onPermission = async (
    asked: RequestPermissionRequest,
  ): Promise<RequestPermissionResponse> => {
    const refused: RequestPermissionResponse = { outcome: { outcome: "cancelled" } };
    const isOver = turn === null || turn.isCancelled || asked.sessionId !== programSession;
    if (isOver || permissions.size >= MAX_PERMISSIONS) return refused;
    const { toolCall, options } = asked;
    const request: PermissionRequest = {
      request_id: newId(),
      tool_call_id: cut(mask(toolCall.toolCallId), 500),
      title: cut(mask(toolCall.title ?? "A tool call"), 500),
      options: options.slice(0, 20).map(({ optionId, name, kind }) => ({
        option_id: cut(mask(optionId), 200),
        name: cut(mask(name), 200),
        kind,
      })),
    };
    // With two of one id, the answer of a person could be taken for another one.
    const ids = new Set(request.options.map(({ option_id }) => option_id));
    if (ids.size < request.options.length) return refused;
    const answered = new Promise<string | null>((resolve) => {
      permissions.set(request.request_id, { request, answer: resolve });
    });
    await inTurn(async () => {
      await transcript?.add({ type: "permission_request", ...request });
      await showStatus();
    });
    const optionId = await answered;
    const option = options.find((one) => cut(mask(one.optionId), 200) === optionId);
    if (option === undefined) return refused;
    return { outcome: { outcome: "selected", optionId: option.optionId } };
  };

  const answer = (requestId: string, optionId: string | null, by: Sender | null): void => {
    const found = permissions.get(requestId);
    if (found === undefined) return;
    permissions.delete(requestId);
    void inTurn(async () => {
      const event = { type: "permission_answer", request_id: requestId, option_id: optionId, by };
      await transcript?.add(event as Parameters<Transcript["add"]>[0]);
      await showStatus();
      found.answer(optionId);
    });
  };

  const cancel = (agent: ClientContext): void => {
    if (turn === null || turn.isCancelled) return;
    turn.isCancelled = true;
    for (const requestId of permissions.keys()) answer(requestId, null, null);
    // The program would ignore it before the prompt, which is then not sent.
    if (!turn.isSent) return;
    agent
      .notify(methods.agent.session.cancel, { sessionId: programSession })
      .catch((error: unknown) => fail(error));
    turn.timer = setTimeout(() => fail(new DidNotCancelError()), CANCEL_MS);
  };

  /** Sends a prompt to the program, and waits for the end of its turn. Returns why it ended. */
  const promptWith = async (agent: ClientContext, mine: Turn, text: string): Promise<string> => {
    if (mine.isCancelled) return "cancelled";
    mine.isSent = true;
    try {
      const request: PromptRequest = {
        sessionId: programSession,
        prompt: [{ type: "text", text }],
      };
      const ended = await agent.request(methods.agent.session.prompt, request);
      return ended.stopReason;
    } catch (error) {
      if (!(error instanceof RequestError) || connection?.signal.aborted !== false) throw error;
      return `error: ${cut(mask(saidIn(error)), 500)}`;
    } finally {
      if (mine.timer) clearTimeout(mine.timer);
    }
  };

  const runTurn = async (agent: ClientContext, { data, sent_by }: SessionInput): Promise<void> => {
    const mine: Turn = { isCancelled: false, isSent: false, timer: null };
    turn = mine;
    clearTimeout(idle);
    const text = data["text"] ?? "";
    await inTurn(async () => {
      await transcript?.add({ type: "prompt", text: mask(text), by: sent_by });
      await showStatus();
    });
    if (hasFailed) return;
    const stopReason = await promptWith(agent, mine, text);
    turn = null;
    for (const requestId of permissions.keys()) answer(requestId, null, null);
    await inTurn(async () => {
      await transcript?.add({ type: "turn_end", stop_reason: cut(mask(stopReason), 600) });
      await showStatus();
    });
    waitForPrompt();
    wake();
  };

  /** Ends a program that has nothing to do and can take up the session again. */
  const waitForPrompt = (): void => {
    clearTimeout(idle);
    idle = setTimeout(() => {
      db.tenant(org_id, async (tx) => {
        const stored = await queries.lockSession(tx, id);
        const isBusy = turn !== null || isTaking || (await queries.countWaiting(tx, id)) > 0;
        if (isBusy || stored?.resumes_by == null) return;
        const detail = "The session was idle; its next prompt starts the program again.";
        await managed.requestStop(tx, { id: runId }, "succeeded", detail);
      })
        .catch((error: unknown) => {
          log.warn({ err: error, session: id }, "cannot end the program of an idle session");
        })
        .finally(() => {
          if (!isClosed && !hasFailed) waitForPrompt();
        });
    }, IDLE_MS).unref();
  };

  /** Tells those who read the session why it goes on without a choice. */
  const noteRefusal = async (what: string, error: unknown): Promise<void> => {
    log.warn({ err: error, session: id }, "a program refused a mode or an option");
    if (!(error instanceof RequestError) || isClosed) return;
    const status = turn === null ? "idle" : "working";
    const detail = `The program refused ${what}: ${refusalOf(error, mask)}`;
    await inTurn(async () => transcript?.add({ type: "status", status, detail }));
  };

  const handle = (agent: ClientContext, { kind, data, sent_by }: SessionInput): void => {
    if (kind === "cancel") cancel(agent);
    else if (kind === "permission") {
      answer(data["request_id"] ?? "", data["option_id"] ?? "", sent_by);
    } else if (kind === "mode") {
      const modeId = data["mode_id"] ?? "";
      // Not awaited: the program may answer late, or never.
      choices
        .setMode(agent, modeId)
        .then(() => inTurn(() => choices.takeMode(modeId)))
        .catch((error: unknown) => noteRefusal("the mode", error));
    } else if (kind === "option") {
      choices
        .setOption(agent, data["id"] ?? "", data["value"] ?? "")
        .then((changed) => inTurn(() => choices.takeOptions(changed)))
        .catch((error: unknown) => noteRefusal("the choice", error));
    }
  };

  /** Takes what callers send until the conversation ends: prompts one at a time, after a turn. */
  const takeInputs = async (agent: ClientContext, signal: AbortSignal): Promise<void> => {
    const unsubscribe = db.changes.subscribe((change) => {
      const isInput = change?.table === "agent_session_inputs" && change.id === id;
      if (change === null || isInput) wake();
    });
    const isOver = (): boolean => signal.aborted || hasFailed || isClosed;
    signal.addEventListener("abort", () => wake(), { once: true });
    const take = (what: "prompt" | "others"): Promise<SessionInput[]> =>
      persist(async (tx) => (isOver() ? [] : queries.takeInputs(tx, id, runId, what))).then(
        (taken) => taken ?? [],
      );
    try {
      while (!isOver()) {
        const woken = new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        for (const one of await take("others")) handle(agent, one);
        if (turn === null) {
          isTaking = true;
          const [prompt] = await take("prompt").finally(() => {
            isTaking = false;
          });
          if (prompt) runTurn(agent, prompt).catch(fail);
        }
        await woken;
      }
    } finally {
      unsubscribe();
    }
  };

  /** Takes up a session and waits for the end of the history that the program repeats. */
  const loadSession = async (
    agent: ClientContext,
    taken: LoadSessionRequest,
  ): Promise<LoadSessionResponse> => {
    isLoading = true;
    const opened = await agent.request(methods.agent.session.load, taken);
    const last = Date.now() + MAX_QUIET_MS;
    const isRepeating = (now: number): boolean =>
      !isClosed && now - updatedAt < QUIET_MS && now < last;
    do await pause(QUIET_MS);
    while (isRepeating(Date.now()));
    isLoading = false;
    return opened;
  };

  /** Opens the session of the program: a new one, or the one of an earlier run. */
  const open = async (agent: ClientContext, cwd: string): Promise<void> => {
    const { agentCapabilities: can } = await agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
      clientInfo: { name: "omoi", title: "Omoi", version: "0.2" },
    });
    const resumes_by =
      can?.sessionCapabilities?.resume != null
        ? "resume"
        : can?.loadSession === true
          ? "load"
          : null;
    const place: NewSessionRequest = { cwd, mcpServers: [] };
    const earlier = session.program_session_id;
    const isNew = earlier === null || resumes_by === null;
    let offered: Parameters<typeof choices.open>[2];
    if (isNew) {
      const opened = await agent.request(methods.agent.session.new, place);
      programSession = opened.sessionId;
      offered = opened;
    } else {
      programSession = earlier;
      const taken = { ...place, sessionId: earlier };
      offered =
        (resumes_by === "load"
          ? await loadSession(agent, taken)
          : await agent.request(methods.agent.session.resume, taken)) ?? {};
    }
    await choices.open(agent, programSession, offered, isNew).catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
      return noteRefusal("the mode or a choice of the session", error);
    });
    await save({
      status: "idle",
      detail: null,
      ...choices.current(),
      resumes_by,
      program_session_id: cut(programSession, 1000),
    });
  };

  const speak = async (process: SandboxedProcess): Promise<void> => {
    const opened = await openTranscript({ ...input, failed: fail });
    if (isClosed) return opened.close();
    transcript = opened;
    const app = client({ name: "omoi" }).onRequest(
      methods.client.session.requestPermission,
      ({ params }) => onPermission(params),
    );
    connection = app.connect(programStream(process.input as Writable, output, onUpdate));
    const { agent, signal } = connection;
    const late = setTimeout(() => fail(new NotSpokenError()), START_MS);
    try {
      await open(agent, process.workspace);
    } finally {
      clearTimeout(late);
    }
    waitForPrompt();
    taking = takeInputs(agent, signal);
    await taking;
    // The program's end is recorded by its run.
    if (!isClosed) fail(signal.reason);
  };

  /** Waits until there is room in the output, or nothing reads it any more. */
  const drained = (): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        output.off("drain", done).off("close", done);
        resolve();
      };
      output.on("drain", done).on("close", done);
    });

  return {
    receive: async (chunk) => {
      if (isClosed || hasFailed) return;
      const now = Date.now();
      readUntil = Math.max(readUntil, now) + (1000 * chunk.length) / MAX_BYTES_PER_SECOND;
      if (readUntil > now + 1000) await pause(readUntil - now - 1000);
      // It may have failed meanwhile, and nothing would read any more.
      if (output.destroyed) return;
      if (!output.write(chunk)) await drained();
      // The program waits while its updates are written.
      if (backlog > MAX_BACKLOG) await applied;
    },
    start: (process) => void speak(process).catch(fail),
    close: async () => {
      isClosed = true;
      clearTimeout(idle);
      if (turn?.timer) clearTimeout(turn.timer);
      output.end();
      connection?.close();
      wake();
      await taking?.catch(() => undefined);
      await applied.catch(() => undefined);
      await transcript?.close().catch((error: unknown) => {
        log.error({ err: error, session: id }, "cannot close a transcript");
      });
    },
  };
}

class NotSpokenError extends Error {}
class DidNotCancelError extends Error {}

/** Returns the cause of an error, which programs put behind the words "Internal error". */
function saidIn({ message, data }: RequestError): string {
  const details = isRecord(data) ? data["details"] : undefined;
  return typeof details === "string" && details !== "" ? details : message;
}

const refusalOf = (error: RequestError, mask: (text: string) => string): string =>
  `${cut(mask(saidIn(error)), 300).replace(/\.$/, "")}.`;

/** Returns why a session failed, as a sentence for users; null if the program is not the cause. */
function reasonOf(error: unknown, mask: (text: string) => string): string | null {
  if (error instanceof NotSpokenError) {
    return `The program did not answer within ${START_MS / 1000} seconds; it may not speak the Agent Client Protocol.`;
  }
  if (error instanceof DidNotCancelError) {
    return `The program did not end the canceled turn within ${CANCEL_MS / 1000} seconds.`;
  }
  if (error instanceof TranscriptFullError)
    return "The session has become too long; start a new one.";
  if (error instanceof RequestError) return `The program refused: ${refusalOf(error, mask)}`;
  if (error instanceof Error && error.name === "MessageTooLargeError") {
    return `The program sent a message of more than ${MAX_MESSAGE_BYTES / 1024 / 1024} MiB.`;
  }
  // The streams of a program that has ended fail in several ways.
  const hasEnded = error instanceof Error && /closed?|ended|aborted|EPIPE/i.test(error.message);
  return error === undefined || hasEnded ? "The program ended the connection." : null;
}
