/** The session inside the program of a conversation: a new one, or the one of an earlier run. */
import { setTimeout as pause } from "node:timers/promises";
import {
  methods,
  PROTOCOL_VERSION,
  type ClientContext,
  type LoadSessionRequest,
  type LoadSessionResponse,
  type NewSessionRequest,
} from "@agentclientprotocol/sdk";
import type { MessageLimits } from "../messages/message-limits.js";
import type { Offered } from "../session-choices.js";
import type { SessionRow } from "../sessions.queries.js";

/** Gemini CLI repeats the history after its answer: the pause that ends it, and the most time it gets. */
const QUIET_MS = 500;
const MAX_QUIET_MS = 10_000;

interface OpenedSession {
  offered: Offered;
  isNew: boolean;
  resumes_by: SessionRow["resumes_by"];
}

/** @param earlier the program's id of the session in an earlier run */
export function createProgramSession(
  earlier: string | null,
  limits: MessageLimits,
  isClosed: () => boolean,
) {
  let id = "";
  let isLoading = false;
  let updatedAt = 0;

  /** Takes up a session and waits for the end of the history that the program repeats. */
  const load = async (
    agent: ClientContext,
    taken: LoadSessionRequest,
  ): Promise<LoadSessionResponse> => {
    isLoading = true;
    const opened = await agent.request(methods.agent.session.load, taken);
    const last = Date.now() + MAX_QUIET_MS;
    const isRepeating = (now: number): boolean =>
      !isClosed() && (limits.isHeld || now - updatedAt < QUIET_MS) && now < last;
    do await pause(QUIET_MS);
    while (isRepeating(Date.now()));
    isLoading = false;
    return opened;
  };

  return {
    /** The program's id of it; empty if it has none yet. */
    get id() {
      return id;
    },
    /** Whether the program repeats its history. */
    get isLoading() {
      return isLoading;
    },
    /** Notes that the program has sent an update. */
    updated: (): void => {
      updatedAt = Date.now();
    },
    open: async (agent: ClientContext, cwd: string): Promise<OpenedSession> => {
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
      if (earlier === null || resumes_by === null) {
        const opened: unknown = await agent.request(methods.agent.session.new, place);
        id = (opened as { sessionId: string }).sessionId;
        return { offered: opened as Offered, isNew: true, resumes_by };
      }
      id = earlier;
      const taken = { ...place, sessionId: earlier };
      const opened: unknown =
        resumes_by === "load"
          ? await load(agent, taken)
          : await agent.request(methods.agent.session.resume, taken);
      return { offered: opened ?? {}, isNew: false, resumes_by };
    },
  };
}
