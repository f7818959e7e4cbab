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
