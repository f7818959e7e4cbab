import { useEffect, useState } from "react";
import type { SessionEvent } from "#shared/api/agents/sessions.js";
import { client } from "../../../api/client.js";
import { batched, followStream, type StreamState } from "../../../api/follow-stream.js";
import { createTranscript, type Transcript } from "./entries.js";

export interface FollowedTranscript {
  transcript: Transcript;
  state: StreamState;
  /** Increases as the transcript grows, since the array of entries keeps its identity. */
  version: number;
}

/** Follows a session's events. Components must remount for another session. */
export function useTranscript(sessionId: string): FollowedTranscript {
  const [displayed, setDisplayed] = useState<FollowedTranscript>(() => ({
    transcript: createTranscript(),
    state: "connecting",
    version: 0,
  }));
  useEffect(() => {
    const transcript = createTranscript();
    let state: StreamState = "connecting";
    let version = 0;
    const [draw, drop] = batched(() => {
      version += 1;
      setDisplayed({ transcript, state, version });
    });
    const stop = followStream<SessionEvent>({
      path: `/api/v1/sessions/${sessionId}/events`,
      event: "update",
      check: (signal) =>
        client.agentSessions.get({ params: { session_id: sessionId } }, { signal }),
      onItem: (event) => {
        transcript.append(event);
        draw();
      },
      onState: (next) => {
        state = next;
        draw();
      },
    });
    return () => {
      stop();
      drop();
    };
  }, [sessionId]);
  return displayed;
}
