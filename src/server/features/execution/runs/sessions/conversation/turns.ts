/** The turns of a session: each is a prompt and all that the program does with it. */
import { sql } from "drizzle-orm";
import type { TaskChanges } from "#shared/api/work/tasks.js";
import {
  methods,
  RequestError,
  type ClientConnection,
  type ClientContext,
  type PromptRequest,
} from "@agentclientprotocol/sdk";
import type { SessionInput } from "../inputs.queries.js";
import { statusWhenReady } from "../sessions.queries.js";
import type { ConversationInput } from "./session-record.js";
import { createPermissionRequests, type PermissionDeps } from "./permission-requests.js";
import { createTurnWords } from "./turn-words.js";
import { CANCEL_MS, DidNotCancelError, saidIn } from "./session-failures.js";

interface Turn {
  isCancelled: boolean;
  /** Whether the program has its prompt. */
  isSent: boolean;
  timer: NodeJS.Timeout | null;
}

type TurnDeps = PermissionDeps & Pick<ConversationInput, "masker" | "saveTurn" | "log" | "session">;

export function createTurns(deps: TurnDeps) {
  const { record, masker, mask, programSession, log, session } = deps;
  const words = createTurnWords();
  const saveTurn = (): Promise<TaskChanges | null> =>
    deps.saveTurn().catch((error: unknown) => {
      log.warn({ err: error, session: session.id }, "cannot commit the changes of a turn");
      return null;
    });
  let turn: Turn | null = null;
  /** Whether the changes of a turn are being committed. */
  let isSaving = false;
  const isAtRest = (): boolean => turn === null && !isSaving;
  const statusOfTurn = (): "idle" | "working" => (isAtRest() ? "idle" : "working");
  const showStatus = async (changes: Parameters<typeof record.save>[0] = {}): Promise<void> => {
    const waiting = permissions.list();
    const ready = isAtRest() ? statusWhenReady : "working";
    const status = waiting.length > 0 ? "waiting_for_permission" : ready;
    await record.save({ ...changes, status, detail: null, permissions: waiting });
  };
  const mayAsk = (): boolean => turn !== null && !turn.isCancelled;
  const permissions = createPermissionRequests(deps, mayAsk, () => showStatus());

  /** Sends a prompt to the program, and waits for the end of its turn. Returns why it ended. */
  const promptWith = async (
    { agent, signal }: ClientConnection,
    mine: Turn,
    text: string,
  ): Promise<string> => {
    if (mine.isCancelled) return "cancelled";
    mine.isSent = true;
    try {
      const request: PromptRequest = {
        sessionId: programSession(),
        prompt: [{ type: "text", text }],
      };
      const ended = await agent.request(methods.agent.session.prompt, request);
      return ended.stopReason;
    } catch (error) {
      if (!(error instanceof RequestError) || signal.aborted) throw error;
      return `error: ${mask(saidIn(error), 500)}`;
    } finally {
      if (mine.timer) clearTimeout(mine.timer);
    }
  };

  return {
    permissions,
    /** The agent's words in the turn. */
    words,
    get isIdle() {
      return isAtRest();
    },
    /** Returns the status of the session apart from its permissions. */
    statusOfTurn,
    /** Runs a turn. Returns whether the program can have the next prompt. */
    run: async (
      connection: ClientConnection,
      { data, sent_by }: SessionInput,
    ): Promise<boolean> => {
      const mine: Turn = { isCancelled: false, isSent: false, timer: null };
      turn = mine;
      const text = data["text"] ?? "";
      await record.inTurn(async () => {
        words.clear();
        await record.add({ type: "prompt", text: masker.mask(text), by: sent_by });
        await showStatus({
          turn_started_at: sql`clock_timestamp()`,
          turn_ended_at: null,
          silent_since: null,
        });
      });
      if (record.hasFailed) return false;
      const stopReason = await promptWith(connection, mine, text);
      isSaving = true;
      turn = null;
      permissions.cancelAll();
      const reason = mask(stopReason, 600);
      const end = await record.inTurn(async () => {
        await record.add({ type: "turn_end", stop_reason: reason });
        return words.end(mask);
      });
      const changes = await saveTurn();
      isSaving = false;
      await record.inTurn(async () => {
        const { message, asks } = end ?? { message: null, asks: false };
        await showStatus({
          turn_ended_at: new Date().toISOString(),
          turn_stop_reason: reason,
          turn_message: message,
          turn_asks: asks && stopReason !== "cancelled",
          turn_changes: changes,
          silent_since: null,
        });
      });
      return true;
    },
    cancel: (agent: ClientContext): void => {
      // The prompt that waited was dropped.
      if (turn === null)
        record.inTurn(() => showStatus()).catch((error: unknown) => record.fail(error));
      if (turn === null || turn.isCancelled) return;
      turn.isCancelled = true;
      permissions.cancelAll();
      // The program would ignore it before the prompt, which is then not sent.
      if (!turn.isSent) return;
      agent
        .notify(methods.agent.session.cancel, { sessionId: programSession() })
        .catch((error: unknown) => record.fail(error));
      turn.timer = setTimeout(() => record.fail(new DidNotCancelError()), CANCEL_MS);
    },
    close: (): void => {
      if (turn?.timer) clearTimeout(turn.timer);
    },
  };
}
