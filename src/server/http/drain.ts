import type { FastifyReply, FastifyRequest } from "fastify";

/**
 * Has the connection end with this answer where the server is stopping: one that was busy when the
 * idle ones were closed would keep it waiting otherwise.
 */
export function endWhenStopping(request: FastifyRequest, reply: FastifyReply): void {
  if (!request.server.server.listening) reply.header("connection", "close");
}
