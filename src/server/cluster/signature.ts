import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { z } from "zod";

/** Signs claims of requests between nodes. */
export interface Signature<Claim> {
  sign(claim: Claim, method: string, url: string): string;
  /** @returns null unless a node of the cluster signed it for this method and URL */
  verify(header: string, method: string, url: string): Claim | null;
}

/**
 * Signs by a key that all nodes have.
 * @param purpose makes the key, so that a signature for one purpose is of no use for another
 */
export function signatureOf<Schema extends z.ZodType>(
  clusterSecret: string,
  purpose: string,
  claim: Schema,
): Signature<z.output<Schema>> {
  const key = Buffer.from(hkdfSync("sha256", clusterSecret, "", purpose, 32));
  const mac = (text: string, method: string, url: string): Buffer =>
    createHmac("sha256", key).update(`${text}\n${method}\n${url}`).digest();
  return {
    sign: (facts, method, url) => {
      const text = Buffer.from(JSON.stringify(facts)).toString("base64url");
      return `${text}.${mac(text, method, url).toString("base64url")}`;
    },
    verify: (header, method, url) => {
      const [text = "", signature = ""] = header.split(".");
      const given = Buffer.from(signature, "base64url");
      const expected = mac(text, method, url);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
      return claim.parse(JSON.parse(Buffer.from(text, "base64url").toString("utf8")));
    },
  };
}

/** The header by which a node vouches for the client of a request that it forwards. */
export const forwardedHeader = "omoi-forwarded";

const forwardedClaim = z.strictObject({
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
export type ForwardedClaim = z.output<typeof forwardedClaim>;

export type ForwardingSignature = Signature<ForwardedClaim>;

/**
 * Signs forwarded requests by a key that all nodes have. A signature has no time, because clocks may differ; a
 * replay gains nothing, since the credentials of the request are checked again.
 */
export const forwardingSignature = (clusterSecret: string): ForwardingSignature =>
  signatureOf(clusterSecret, "omoi forwarding", forwardedClaim);

/** The header by which a node asks another one for the files of a project that moves to it. */
export const moveHeader = "omoi-move";

const moveClaim = z.strictObject({
  /** The ids of the nodes that send and receive it. */
  from: z.uuid(),
  to: z.uuid(),
  /** The epoch of the receiver. */
  epoch: z.number().int(),
  /** The move and its attempt. They end, so that a later replay is refused. */
  move: z.uuid(),
  attempt: z.uuid(),
});
export type MoveClaim = z.output<typeof moveClaim>;

export type MoveSignature = Signature<MoveClaim>;

export const moveSignature = (clusterSecret: string): MoveSignature =>
  signatureOf(clusterSecret, "omoi moves", moveClaim);
