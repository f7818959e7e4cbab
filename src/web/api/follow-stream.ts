import { EventSourceParserStream } from "eventsource-parser/stream";
import { checkConnection } from "../hooks/connection.js";

export type StreamState = "connecting" | "live" | "lost" | "ended" | "refused" | "expired";

interface Followed<Item> {
  /** The address of the stream of Server-Sent Events. */
  path: string;
  /** The name of its events; `end` ends it. */
  event: string;
  /** An ordinary call about the same resource: it refreshes an expired session, or signs out. */
  check: (signal: AbortSignal) => Promise<unknown>;
  onItem: (item: Item) => void;
  onState: (state: StreamState) => void;
}

const retryMs = 1000;

/**
 * Reads a stream until its end. After a lost connection it resumes after the last event, whatever the
 * server's status in between; the browser's own EventSource stops at the first non-stream response.
 * @returns a function that stops reading
 */
export function followStream<Item>({
  path,
  event,
  check,
  onItem,
  onState,
}: Followed<Item>): () => void {
  const aborter = new AbortController();
  const { signal } = aborter;
  let lastId: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Returns whether more events may follow. */
  const read = async (): Promise<boolean> => {
    const response = await fetch(path, {
      headers: {
        accept: "text/event-stream",
        ...(lastId === undefined ? {} : { "last-event-id": lastId }),
      },
      credentials: "same-origin",
      signal,
    });
    if (!response.ok || !response.body) {
      if (response.status === 401) {
        await check(signal);
        return true;
      }
      if (![403, 404, 410].includes(response.status)) return true;
      onState(response.status === 410 ? "expired" : "refused");
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
      if (value.event !== event) continue;
      onItem(JSON.parse(value.data) as Item);
      lastId = value.id ?? lastId;
    }
  };
  const go = async (): Promise<void> => {
    const hasMore = await read().catch(() => true);
    if (!hasMore || signal.aborted) return;
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

/** Interval of updates, so that events are rendered in batches; milliseconds. */
const drawMs = 80;

/**
 * Returns a function that calls `draw` soon; calls until then share one.
 * @returns also a function that drops a call that waits
 */
export function batched(draw: () => void): [soon: () => void, drop: () => void] {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      draw();
    }, drawMs);
  };
  return [soon, () => clearTimeout(timer)];
}
