import type { FastifyReply, FastifyRequest } from "fastify";

/**
 * Closes the connection after this response if the server is stopping. It was busy when the idle ones
 * were closed and would otherwise delay the shutdown.
 */
export function endWhenStopping(request: FastifyRequest, reply: FastifyReply): void {
  if (!request.server.server.listening) reply.header("connection", "close");
}
