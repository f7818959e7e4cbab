import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/**
 * Has connections on which nothing was asked yet, as browsers open them ahead, end when the server
 * stops: Node closes idle ones only after their first answer.
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
 * Has the connection end with this answer where the server is stopping: one that was busy when the
 * idle ones were closed would keep it waiting otherwise.
 */
export function endWhenStopping(request: FastifyRequest, reply: FastifyReply): void {
  if (!request.server.server.listening) reply.header("connection", "close");
}

/** Counts running handlers. Node waits for connections only, and a client may disconnect before its answer. */
export class RequestsUnderWay {
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

  /** Settles when none is at work. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#count === 0) resolve();
      else this.#waiting.push(resolve);
    });
  }
}

/** Counts the handlers of all routes that answer by a promise; others count themselves. */
export function countRequests(app: FastifyInstance): RequestsUnderWay {
  const requests = new RequestsUnderWay();
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
