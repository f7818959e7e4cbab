import { queryOptions } from "@tanstack/react-query";
import type { Session } from "#shared/api/agents/sessions.js";
import { client } from "../client.js";
import type { CursorList } from "../cursor-pages.js";
import { agentsKey } from "./agents.js";

/** An agent's sessions, newest first. The organization's events refresh it. */
export const sessionList = (agentId: string): CursorList<Session> => ({
  queryKey: [...agentsKey, agentId, "sessions"],
  read: (cursor, signal) =>
    client.agentSessions.list(
      { params: { agent_id: agentId }, query: { limit: 25, cursor } },
      { signal },
    ),
});

export const sessionQuery = (sessionId: string) =>
  queryOptions({
    queryKey: [...agentsKey, "session", sessionId],
    queryFn: async ({ signal }) =>
      (await client.agentSessions.get({ params: { session_id: sessionId } }, { signal })).data,
  });
