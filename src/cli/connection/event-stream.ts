/** Streams of Server-Sent Events, resumed after the last event when the connection is lost. */
import { setTimeout as pause } from "node:timers/promises";
import { createParser } from "eventsource-parser";
import { ApiError } from "#shared/contract/call.js";
import { FailedError } from "../output/failures.js";
import { note } from "../output/print.js";
import { send, type Target, textOf } from "./http.js";

const RETRY_MS = 1000;
/** Time without a byte after which a connection is taken for lost. */
const SILENCE_MS = 45_000;
/** Attempts without a connection in between, before the server is given up. */
const MAX_ATTEMPTS = 60;

export interface ServerEvent {
  name: string;
  data: unknown;
}

/**
 * Yields the events of a stream until the caller ends it.
 * @throws ApiError if the server refuses, also later: a token may expire; FailedError if it stays away
 */
export async function* eventsOf(target: Target, path: string): AsyncGenerator<ServerEvent> {
  let lastId: string | undefined;
  let hasBegun = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await send(target, path, {
        method: "GET",
        isStream: true,
        headers: {
          accept: "text/event-stream",
          ...(lastId !== undefined && { "last-event-id": lastId }),
        },
      });
      if (response.statusCode !== 200) throw await refusalOf(response);
      hasBegun = true;
      attempt = 0;
      // The server sends a comment every 15 seconds.
      response.setTimeout(SILENCE_MS, () => response.destroy(new LostError()));
      for await (const event of parsed(response)) {
        lastId = event.id ?? lastId;
        yield { name: event.event ?? "message", data: JSON.parse(event.data) as unknown };
      }
    } catch (error) {
      const isRefusal = error instanceof ApiError && error.status < 500 && error.status !== 429;
      const isOurs = error instanceof ApiError || error instanceof FailedError || isLost(error);
      if (!hasBegun || isRefusal || !isOurs || attempt >= MAX_ATTEMPTS) throw error;
    }
    if (attempt <= 1) note("The connection was lost; reconnecting…");
    await pause(RETRY_MS);
  }
}

class LostError extends Error {}

const isLost = (error: unknown): boolean =>
  error instanceof LostError ||
  ["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "EPIPE"].includes(
    (error as NodeJS.ErrnoException).code ?? "",
  );

async function refusalOf(response: Parameters<typeof textOf>[0]): Promise<Error> {
  const text = await textOf(response);
  try {
    return new ApiError(JSON.parse(text) as ConstructorParameters<typeof ApiError>[0]);
  } catch {
    return new FailedError(`The server answered with status ${response.statusCode}.`);
  }
}

interface Parsed {
  id?: string | undefined;
  event?: string | undefined;
  data: string;
}

/** The events in a response, as they come. */
export async function* parsed(stream: AsyncIterable<Buffer>): AsyncGenerator<Parsed> {
  let ready: Parsed[] = [];
  const parser = createParser({ onEvent: (event) => ready.push(event) });
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    const events = ready;
    ready = [];
    yield* events;
  }
}
