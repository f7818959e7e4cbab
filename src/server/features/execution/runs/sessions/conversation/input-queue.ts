/** The inputs that people have sent to a session: prompts, answers, choices and cancellations. */
import type { ClientConnection } from "@agentclientprotocol/sdk";
import { takeInputs, type SessionInput } from "../inputs.queries.js";
import type { ConversationInput, SessionRecord } from "./session-record.js";

/** Interval of looking for inputs, in case a notification was lost. */
const LOOK_MS = 2000;

interface InputHandlers {
  /** Whether the program can have a prompt. */
  isIdle: () => boolean;
  prompt: (connection: ClientConnection, input: SessionInput) => void;
  others: (connection: ClientConnection, input: SessionInput) => void;
}

export function createInputQueue(
  { db, session: { id }, runId }: ConversationInput,
  record: SessionRecord,
  { isIdle, prompt, others }: InputHandlers,
) {
  /** Whether a prompt is being taken. */
  let isTaking = false;
  let wake: () => void = () => undefined;
  return {
    get isTaking() {
      return isTaking;
    },
    /** Looks for inputs again. */
    wake: (): void => wake(),
    /** Takes what callers send until the conversation ends: prompts one at a time, after a turn. */
    takeFor: async (connection: ClientConnection): Promise<void> => {
      const { signal } = connection;
      const unsubscribe = db.changes.subscribe((change) => {
        const isInput = change?.table === "agent_session_inputs" && change.id === id;
        if (change === null || isInput) wake();
      });
      const isOver = (): boolean => signal.aborted || record.hasFailed || record.isClosed;
      signal.addEventListener("abort", () => wake(), { once: true });
      const take = async (what: "prompt" | "others"): Promise<SessionInput[]> =>
        (await record.persist(async (tx) => (isOver() ? [] : takeInputs(tx, id, runId, what)))) ??
        [];
      try {
        while (!isOver()) {
          const woken = new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, LOOK_MS);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
          for (const input of await take("others")) others(connection, input);
          if (isIdle()) {
            isTaking = true;
            const [first] = await take("prompt").finally(() => {
              isTaking = false;
            });
            if (first) prompt(connection, first);
          }
          await woken;
        }
      } finally {
        unsubscribe();
      }
    },
  };
}
