import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Cluster } from "../../cluster/cluster.js";
import { forwardRequest, passAnswer } from "../../cluster/forward-request.js";
import { NoAnswerError, NotSentError } from "../../cluster/node-client.js";
import type { RegisteredNode } from "../../cluster/nodes.queries.js";
import type { Database } from "../../db/connection/connect.js";
import { AppError, homeUnavailable } from "../../errors.js";
import type { ActiveRequests } from "../server/graceful-shutdown.js";
import { markWithoutHome } from "./home-availability.js";
import type { OpenStreams } from "./open-streams.js";

export interface Forwarding extends Cluster {
  db: Database;
  requests: ActiveRequests;
  streams: OpenStreams;
}

/** "forwarded" when the other node answers; otherwise this one handles the request, or answers the error. */
export type Outcome = "forwarded" | Error | null;

/** Sends a request to the first of the nodes that can be reached. */
export async function forwardToNode(
  forwarding: Forwarding,
  ids: readonly string[],
  isSafe: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Outcome> {
  const { node: own, lease, nodes, requests } = forwarding;
  requests.begin();
  try {
    for (const id of ids) {
      if (id === own.id && lease.isHeld()) return null;
      const node = await nodes.find(id);
      if (id === own.id || !node?.is_leased || node.url === null) continue;
      try {
        await forward(forwarding, { ...node, url: node.url }, isSafe, request, reply);
        return "forwarded";
      } catch (error) {
        nodes.expire();
        if (!(error instanceof NotSentError)) throw error;
        request.log.warn({ err: error, node: node.name }, "a node cannot be reached");
        if (request.raw.readableDidRead) return homeUnavailable();
      }
    }
    markWithoutHome(request);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    if (!(error instanceof NoAnswerError)) return error as Error;
    if (isSafe) return homeUnavailable();
    // The outcome is unknown, as after any broken connection; an error would claim that nothing was changed.
    reply.hijack();
    reply.raw.destroy();
    return "forwarded";
  } finally {
    requests.end();
  }
}

/** Resolves once the answer is being passed on. */
async function forward(
  forwarding: Forwarding,
  node: RegisteredNode & { url: string },
  isSafe: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { db, nodes, streams } = forwarding;
  const sent = forwardRequest(forwarding, node, request);
  const end = streams.begin(node.id, () => sent.abort());
  reply.raw.once("close", () => {
    end();
    sent.abort();
  });
  // A body that is late, or that the client no longer sends.
  let late: AppError | null = null;
  const onError = (error: unknown): void => {
    if (error instanceof AppError) late = error;
    sent.abort();
  };
  request.raw.on("error", onError);
  let answer: IncomingMessage;
  try {
    answer = await sent.answer;
  } catch (error) {
    end();
    throw late ?? error;
  }
  if (answer.statusCode === 503) nodes.expire();
  if (answer.headers["x-request-id"] === undefined) {
    sent.abort();
    end();
    const failure = `the node answered ${answer.statusCode}`;
    // Rejected by the node's limit of connections, before it was read. A proxy in between may answer late.
    throw answer.statusCode === 429 ? new NotSentError(failure) : new NoAnswerError(failure);
  }
  // Read-your-writes: the client's next request may be one that this node handles.
  if (!isSafe) await db.changes.syncLocal();
  const isEventStream = answer.headers["content-type"]?.startsWith("text/event-stream") ?? false;
  const closes = isEventStream || !request.raw.complete || !request.server.server.listening;
  reply.hijack();
  passAnswer(answer, reply.raw, closes);
  if (isEventStream) streams.endOnStop(answer, reply.raw);
}
