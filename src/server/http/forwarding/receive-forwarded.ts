import type { FastifyReply, FastifyRequest } from "fastify";
import type { Cluster } from "../../cluster/cluster.js";
import { forwardedHeader } from "../../cluster/signature.js";
import { AppError, homeUnavailable } from "../../errors.js";
import { exemptConnection } from "../server/connection-limits.js";
import { markForwarded } from "./home-availability.js";

/**
 * Gives a request that another node has sent the address, the host and the id of its client's request. A request
 * without the header is left as it is.
 * @throws AppError 403 without a valid signature; 503 `home_unavailable` when it is for another node or epoch
 */
export function receiveForwarded(
  { node, lease, signature }: Cluster,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const header = request.headers[forwardedHeader];
  if (header === undefined) return;
  const claim = signature.verify(String(header), request.method, request.raw.url ?? "");
  if (claim === null) {
    throw new AppError(
      "insufficient_permission",
      `The header ${forwardedHeader} is reserved for the servers of this installation; leave it out.`,
    );
  }
  exemptConnection(request.raw.socket);
  markForwarded(request);
  request.id = claim.request;
  reply.header("x-request-id", claim.request);
  const { ip, host, protocol } = claim;
  const { raw } = request;
  raw.headers.host = host;
  for (const [name, value] of Object.entries({
    ip,
    host,
    protocol,
    // The connection of the client. Fastify sends no second answer of a handler if it is destroyed.
    socket: {
      remoteAddress: ip,
      localAddress: claim.local ?? undefined,
      get destroyed() {
        return raw.socket.destroyed;
      },
    },
  })) {
    Object.defineProperty(request, name, { value });
  }
  if (claim.to !== node.id || claim.epoch !== node.epoch) throw homeUnavailable();
  lease.require();
}
