import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/**
 * Closes connections without any request when the server stops. Browsers open such connections ahead of
 * time, and Node treats them as idle only after a first response.
 */
export function dropUnusedConnections(app: FastifyInstance): void {
  const unused = new Set<Socket>();
  let stopping = false;
  app.server.on("connection", (socket: Socket) => {
    if (stopping) socket.destroy();
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  app.server.on("request", ({ socket }: { socket: Socket }) => unused.delete(socket));
  app.addHook("preClose", async () => {
    stopping = true;
    for (const socket of unused) socket.destroy();
  });
}

/**
 * Closes the connection after this response if the server is stopping. It was busy when the idle ones
 * were closed and would otherwise delay the shutdown.
 */
export function endWhenStopping(request: FastifyRequest, reply: FastifyReply): void {
  if (!request.server.server.listening) reply.header("connection", "close");
}

/**
 * Counts running handlers. Node waits only for connections, and a client may disconnect before its
 * response.
 */
export class ActiveRequests {
  #count = 0;
  #waiting: (() => void)[] = [];

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
    if (this.#count > 0) return;
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }

  /** Resolves when no handler is running. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#count === 0) resolve();
      else this.#waiting.push(resolve);
    });
  }
}

/** Counts the handlers of all routes that return a promise. Other handlers count themselves. */
export function countRequests(app: FastifyInstance): ActiveRequests {
  const requests = new ActiveRequests();
  app.addHook("onRoute", (route) => {
    const { handler } = route;
    route.handler = function (request, reply) {
      const answer: unknown = handler.call(this, request, reply);
      if (answer instanceof Promise) {
        const end = (): void => requests.end();
        requests.begin();
        answer.then(end, end);
      }
      return answer;
    };
  });
  return requests;
}
