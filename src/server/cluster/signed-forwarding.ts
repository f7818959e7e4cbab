import { z } from "zod";
import { signatureOf, type Signature } from "./signature.js";

/** The header by which a node vouches for the client of a request that it forwards. */
export const forwardedHeader = "omoi-forwarded";

const claim = z.strictObject({
  /** The ids of the nodes that send and receive it. */
  from: z.uuid(),
  to: z.uuid(),
  /** The epoch of the receiver. */
  epoch: z.number().int(),
  /** The id of the request. */
  request: z.uuid(),
  /** The client's address, and the host and the scheme that it requested. */
  ip: z.string(),
  host: z.string(),
  protocol: z.enum(["http", "https"]),
  /** The server's own address of the client's connection; null for a request of the server to itself. */
  local: z.string().nullable(),
});
/** Facts about a forwarded request that only the node knows to which the client sent it. */
export type ForwardedClaim = z.output<typeof claim>;

export type ForwardingSignature = Signature<ForwardedClaim>;

/**
 * Signs forwarded requests by a key that all nodes have. A signature has no time, because clocks may differ; a
 * replay gains nothing, since the credentials of the request are checked again.
 */
export const forwardingSignature = (clusterSecret: string): ForwardingSignature =>
  signatureOf(clusterSecret, "omoi forwarding", claim);
