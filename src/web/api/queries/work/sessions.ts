import { queryOptions } from "@tanstack/react-query";
import type { Session } from "#shared/api/work/sessions.js";
import { client } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
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

/**
 * What a text was found in. Its key is none of those that events refresh: the server reads whole
 * transcripts for it.
 */
export const sessionSearchQuery = (agentId: string, q: string) =>
  queryOptions({
    queryKey: ["session-search", agentId, q],
    queryFn: async ({ signal }) =>
      (
        await client.agentSessions.search(
          { params: { agent_id: agentId }, query: { q } },
          { signal },
        )
      ).data,
    staleTime: 30_000,
    refetchOnWindowFocus: false,
    enabled: q.length >= 2,
    placeholderData: (before) => before,
  });
