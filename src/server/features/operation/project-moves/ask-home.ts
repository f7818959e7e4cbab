import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Cluster } from "../../../cluster/cluster.js";
import { moveHeader } from "../../../cluster/signature.js";

/** Time in which at least a byte of an answer arrives. */
const IDLE_MS = 60_000;

/** The home of a moving project cannot answer now, or has work on the project in progress. */
export class HomeBusyError extends Error {
  override readonly name = "HomeBusyError";
  /** Whether it did not answer, or not to the end. */
  readonly isAway: boolean;

  constructor(message: string, isAway: boolean) {
    super(message);
    this.isAway = isAway;
  }
}
/** The home no longer knows the move. */
export class MoveEndedError extends Error {
  override readonly name = "MoveEndedError";

  constructor() {
    super("the move, its project or one of its servers has changed meanwhile");
  }
}

/** Asks the home of a moving project. */
export type AskHome = (
  method: "GET" | "POST",
  what: "freeze" | "list" | "files",
  body?: Buffer,
) => Promise<IncomingMessage>;

/**
 * Returns a function that asks the home of a moving project, and resolves with a successful answer.
 * @throws HomeBusyError; MoveEndedError
 */
export function askingHome(
  { node, nodes, client, moveSignature }: Cluster,
  { id, attempt, from }: { id: string; attempt: string; from: { id: string; name: string } },
  signal: AbortSignal,
  deadline: () => AbortSignal | null,
): AskHome {
  return async (method, what, body) => {
    signal.throwIfAborted();
    const limit = deadline();
    requireTime(limit);
    const home = await nodes.find(from.id);
    if (!home?.is_leased || home.url === null) {
      nodes.expire();
      throw new HomeBusyError(`the server ${from.name} is not available`, true);
    }
    const path = `/cluster/moves/${id}/${what}`;
    const claim = { from: node.id, to: home.id, epoch: home.epoch, move: id, attempt };
    const signed = moveSignature.sign(claim, method, path);
    const headers = [moveHeader, signed, "host", new URL(home.url).host];
    if (method === "POST") {
      headers.push("content-type", "application/octet-stream");
      headers.push("content-length", String(body?.length ?? 0));
    }
    const content = body && body.length > 0 ? Readable.from([body], { objectMode: false }) : null;
    const sent = client.send({ origin: home.url, method, path, headers, body: content });
    const ended = limit === null ? signal : AbortSignal.any([signal, limit]);
    const abort = (): void => sent.abort();
    ended.addEventListener("abort", abort, { once: true });
    try {
      const answer = await sent.answer;
      answer.once("close", () => ended.removeEventListener("abort", abort));
      abortWhenIdle(answer);
      if (answer.statusCode === 200) return answer;
      const said = await text(answer);
      if (answer.statusCode === 404) throw new MoveEndedError();
      throw new HomeBusyError(
        detailOf(said) ?? `${from.name} answered ${answer.statusCode}`,
        answer.statusCode === 503,
      );
    } catch (error) {
      if (error instanceof HomeBusyError || error instanceof MoveEndedError) throw error;
      signal.throwIfAborted();
      requireTime(limit);
      nodes.expire();
      throw new HomeBusyError(
        `the server ${from.name} does not answer (${(error as Error).message})`,
        true,
      );
    }
  };
}

/** @throws HomeBusyError after the time for which the project may be frozen */
export function requireTime(deadline: AbortSignal | null): void {
  if (deadline?.aborted) {
    throw new HomeBusyError("the last changes could not be copied in time", false);
  }
}

/** Ends an answer of which no byte arrives any more, as of a server without power. */
function abortWhenIdle(answer: IncomingMessage): void {
  let seen = answer.socket.bytesRead;
  const timer = setInterval(() => {
    if (answer.socket.bytesRead === seen) answer.destroy(new Error("no byte arrives any more"));
    seen = answer.socket.bytesRead;
  }, IDLE_MS);
  timer.unref();
  answer.once("close", () => clearInterval(timer));
}

function detailOf(text: string): string | null {
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? null;
  } catch {
    return null;
  }
}
