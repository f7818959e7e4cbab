import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** Time between two looks for idle connections of a server that stops. */
const IDLE_MS = 50;

/**
 * Closes connections without any request when the server stops. Browsers open such connections ahead of
 * time, and Node treats them as idle only after a first response. Those whose response had begun then are closed
 * when it has ended: the client was told that it may keep them.
 */
export function dropUnusedConnections(app: FastifyInstance): void {
  const unused = new Set<Socket>();
  let stopping = false;
  let closingIdle: NodeJS.Timeout | undefined;
  app.server.on("connection", (socket: Socket) => {
    if (stopping) socket.destroy();
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  app.server.on("request", ({ socket }: { socket: Socket }) => unused.delete(socket));
  app.addHook("preClose", async () => {
    stopping = true;
    for (const socket of unused) socket.destroy();
    closingIdle = setInterval(() => app.server.closeIdleConnections(), IDLE_MS);
  });
  // After the last connection.
  app.addHook("onClose", async () => clearInterval(closingIdle));
}

/**
 * Counts running handlers. Node waits only for connections, and a client may disconnect before its
 * response.
 */
export class ActiveRequests {
  #count = 0;
  #waiting: (() => void)[] = [];
  /** Other counts of requests, with the number of reasons for which each request is still in them. */
  readonly #others = new WeakMap<object, { reasons: number; end: () => void }>();

  /** @param request the request of the handler */
  begin(request?: object): void {
    this.#count += 1;
    const other = request && this.#others.get(request);
    if (other) other.reasons += 1;
  }

  /**
   * Also counts a request elsewhere, until it is answered or its connection is closed, and its handler has ended.
   * @param end ends the other count
   */
  alsoCount(
    request: object,
    response: { once(name: "close", end: () => void): unknown },
    end: () => void,
  ): void {
    this.#others.set(request, { reasons: 1, end });
    response.once("close", () => this.#endOther(request));
  }

  #endOther(request: object): void {
    const other = this.#others.get(request);
    if (!other) return;
    other.reasons -= 1;
    if (other.reasons === 0) other.end();
  }

  end(request?: object): void {
    this.#count -= 1;
    if (request) this.#endOther(request);
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
        const end = (): void => requests.end(request);
        requests.begin(request);
        answer.then(end, end);
      }
      return answer;
    };
  });
  return requests;
}
