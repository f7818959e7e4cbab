/**
 * The server's side of a session while its program runs: the client of the Agent Client Protocol. It offers
 * the program no files and no terminals, since those of its sandbox are its own.
 */
import type { Writable } from "node:stream";
import { client, methods, RequestError, type ClientConnection } from "@agentclientprotocol/sdk";
import type { SandboxedProcess } from "#sandbox/sandbox.js";
import { MessageLimits } from "../messages/message-limits.js";
import type { ReceivedUpdate } from "../messages/message-schemas.js";
import { openProgramStream } from "../messages/program-stream.js";
import { createChoices } from "../session-choices.js";
import type { SessionInput } from "../inputs.queries.js";
import { statusWhenReady } from "../sessions.queries.js";
import { cut, maskAndCut, readUpdate, type Update } from "../session-updates.js";
import { createIdleTimer } from "./idle-timer.js";
import { createInputQueue } from "./input-queue.js";
import { createProgramSession } from "./program-session.js";
import { NotSpokenError, refusalOf, START_MS } from "./session-failures.js";
import { createRecord, type ConversationInput } from "./session-record.js";
import { createTurns } from "./turns.js";

/** A conversation of a run in progress. */
export interface Conversation {
  /** Takes the program's standard output; resolves once there is room for more. */
  receive(chunk: Buffer): Promise<void> | void;
  /** Speaks with the started program until it ends. */
  start(process: SandboxedProcess): void;
  /** Ends the conversation after the program's end. */
  close(): Promise<void>;
}

export function createConversation(input: ConversationInput): Conversation {
  const { log, session, masker } = input;
  const mask = maskAndCut(masker);
  const limits = new MessageLimits(session.org_id);
  let connection: ClientConnection | null = null;
  let taking: Promise<void> | null = null;

  const record = createRecord(input, mask, () => stream.close());
  const { fail, inTurn, save } = record;
  const program = createProgramSession(session.program_session_id, limits, () => record.isClosed);
  const turns = createTurns({ ...input, record, mask, programSession: () => program.id });
  const { permissions, words } = turns;
  const choices = createChoices({ session, mask, save, record: record.add });
  const idle = createIdleTimer(input, record, () => !turns.isIdle || inputs.isTaking);

  const apply = async (update: Update): Promise<void> => {
    if (update.kind === "mode") await choices.takeMode(update.modeId);
    else if (update.kind === "options") await choices.takeOptions(update.options);
    // The history that a program repeats is in the transcript.
    else if (program.isLoading) return;
    else if (update.kind === "text") {
      if (update.type === "message") words.add(update.text);
      await record.transcript?.stream(update.type, update.text);
    } else {
      if (update.event.type === "tool_call") words.addTool(update.event.tool_call_id);
      record.transcript?.put(update.event);
    }
  };
  const stream = openProgramStream({
    orgId: session.org_id,
    limits,
    session: () => program.id,
    permissions: permissions.countFree,
    // Writes what has changed at once; resolves when the program may go on.
    onUpdates: async (received: ReceivedUpdate[]) => {
      program.updated();
      await inTurn(async () => {
        for (const update of received) await apply(readUpdate(update, mask));
        await record.transcript?.flush();
      });
    },
  });

  /** Tells those who read the session why it goes on without a choice. */
  const noteRefusal = async (what: string, error: unknown): Promise<void> => {
    log.warn({ err: error, session: session.id }, "a program refused a mode or an option");
    if (!(error instanceof RequestError) || record.isClosed) return;
    const status = turns.statusOfTurn();
    const detail = `The program refused ${what}: ${refusalOf(error, mask)}`;
    await inTurn(() => record.add({ type: "status", status, detail }));
  };

  const runTurn = async (connected: ClientConnection, prompt: SessionInput): Promise<void> => {
    idle.stop();
    if (!(await turns.run(connected, prompt))) return;
    idle.restart();
    inputs.wake();
  };
  const handle = ({ agent }: ClientConnection, { kind, data, sent_by }: SessionInput): void => {
    if (kind === "cancel") turns.cancel(agent);
    else if (kind === "permission") {
      permissions.answer(data["request_id"] ?? "", data["option_id"] ?? "", sent_by);
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
  const inputs = createInputQueue(input, record, {
    isIdle: () => turns.isIdle,
    prompt: (connected, prompt) => void runTurn(connected, prompt).catch(fail),
    others: handle,
  });

  /** Opens the session of the program, and chooses what people or its preset chose. */
  const open = async ({ agent }: ClientConnection, cwd: string): Promise<void> => {
    const { offered, isNew, resumes_by } = await program.open(agent, cwd);
    await choices.open(agent, program.id, offered, isNew).catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
      return noteRefusal("the mode or a choice of the session", error);
    });
    await save({
      status: statusWhenReady,
      detail: null,
      ...choices.current(),
      resumes_by,
      program_session_id: cut(program.id, 1000),
    });
  };

  const speak = async (process: SandboxedProcess): Promise<void> => {
    if (!(await record.open())) return;
    const app = client({ name: "omoi" }).onRequest(
      methods.client.session.requestPermission,
      ({ params }) => permissions.ask(params),
    );
    connection = app.connect(stream.connect(process.input as Writable));
    // A history that is still being read is no silence.
    const late = setInterval(() => {
      if (!program.isLoading || !limits.isHeld) fail(new NotSpokenError());
    }, START_MS);
    try {
      await open(connection, process.workspace);
    } finally {
      clearInterval(late);
    }
    idle.restart();
    taking = inputs.takeFor(connection);
    await taking;
    // The program's end is recorded by its run.
    if (!record.isClosed) fail(connection.signal.reason);
  };

  return {
    receive: async (chunk) => {
      if (record.isClosed || record.hasFailed) return;
      await stream.receive(chunk).catch(fail);
    },
    start: (process) => {
      void process.ended.then(() => limits.release());
      speak(process).catch(fail);
    },
    close: async () => {
      if (!record.hasFailed) await stream.finish().catch(fail);
      record.end();
      idle.stop();
      turns.close();
      stream.close();
      connection?.close();
      inputs.wake();
      await taking?.catch(() => undefined);
      await record.close();
    },
  };
}
