import type { FastifyReply } from "fastify";

/** Adds names of request headers on which the response depends (RFC 9110, section 12.5.5). */
export function addVary(reply: FastifyReply, names: string): void {
  const known = reply.getHeader("vary");
  reply.header("vary", known === undefined ? names : `${String(known)}, ${names}`);
}
