import type { SessionEvent } from "#shared/api/work/sessions.js";
import { client } from "../../../../../api/client.js";
import { type Followed, useFollowed } from "../../../../../api/use-followed.js";
import { createTranscript, type Transcript } from "./entries.js";

/** Follows a session's events. Components must remount for another session. */
export function useTranscript(sessionId: string): Followed<Transcript> {
  return useFollowed<Transcript, SessionEvent>({
    path: `/api/v1/sessions/${sessionId}/events`,
    event: "update",
    check: (signal) => client.agentSessions.get({ params: { session_id: sessionId } }, { signal }),
    create: createTranscript,
    append: (transcript, event) => transcript.append(event),
  });
}
