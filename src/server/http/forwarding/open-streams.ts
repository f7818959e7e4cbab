import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";

/** The forwarded requests under way. */
export interface OpenStreams {
  /** @returns a function that ends the entry */
  begin(nodeId: string, abort: () => void): () => void;
  /** Ends an event stream when the server stops; its client reconnects. */
  endOnStop(answer: IncomingMessage, response: ServerResponse): void;
  /** The ids of their nodes. */
  nodeIds(): ReadonlySet<string>;
  /** Aborts the requests to a node that is gone. */
  abort(nodeId: string): void;
}

export function openStreams(app: FastifyInstance): OpenStreams {
  const open = new Map<symbol, { nodeId: string; abort: () => void }>();
  const events = new Set<() => void>();
  app.addHook("preClose", async () => {
    for (const end of events) end();
  });
  return {
    begin: (nodeId, abort) => {
      const key = Symbol(nodeId);
      open.set(key, { nodeId, abort });
      return () => open.delete(key);
    },
    endOnStop: (answer, response) => {
      const end = (): void => {
        answer.unpipe(response);
        response.end();
      };
      events.add(end);
      response.once("close", () => events.delete(end));
    },
    nodeIds: () => new Set([...open.values()].map(({ nodeId }) => nodeId)),
    abort: (gone) => {
      for (const { nodeId, abort } of open.values()) if (nodeId === gone) abort();
    },
  };
}
