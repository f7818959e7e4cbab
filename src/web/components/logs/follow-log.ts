import { EventSourceParserStream } from "eventsource-parser/stream";
import type { LogEntry } from "#shared/api/agents/runs.js";
import { client } from "../../api/client.js";
import { checkConnection } from "../../hooks/connection.js";

export type LogState = "connecting" | "live" | "lost" | "ended" | "refused";

interface LogFollower {
  onEntries: (entries: LogEntry[]) => void;
  onState: (state: LogState) => void;
}

const retryMs = 1000;

/**
 * Reads a run's log until its end. After a lost connection it resumes after the last entry, whatever
 * the server's status in between; the browser's own EventSource stops at the first non-stream response.
 * @returns a function that stops reading
 */
export function followLog(runId: string, { onEntries, onState }: LogFollower): () => void {
  const aborter = new AbortController();
  let lastId: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Returns whether more entries may follow. */
  const read = async (): Promise<boolean> => {
    const response = await fetch(`/api/v1/runs/${runId}/logs`, {
      headers: {
        accept: "text/event-stream",
        ...(lastId === undefined ? {} : { "last-event-id": lastId }),
      },
      credentials: "same-origin",
      signal: aborter.signal,
    });
    if (!response.ok || !response.body) {
      if (response.status === 401) {
        // If only the access token has expired, this call refreshes the session or signs out.
        await client.runs.get({ params: { run_id: runId } }, { signal: aborter.signal });
        return true;
      }
      if (response.status !== 403 && response.status !== 404) return true;
      onState("refused");
      return false;
    }
    onState("live");
    const events = response.body
      .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
      .pipeThrough(new EventSourceParserStream())
      .getReader();
    for (;;) {
      const { done, value } = await events.read();
      if (done) return true;
      if (value.event === "end") {
        onState("ended");
        return false;
      }
      if (value.event !== "log") continue;
      onEntries([JSON.parse(value.data) as LogEntry]);
      lastId = value.id ?? lastId;
    }
  };
  const go = async (): Promise<void> => {
    const hasMore = await read().catch(() => true);
    if (!hasMore || aborter.signal.aborted) return;
    onState("lost");
    void checkConnection();
    timer = setTimeout(() => void go(), retryMs);
  };
  void go();
  return () => {
    clearTimeout(timer);
    aborter.abort();
  };
}
