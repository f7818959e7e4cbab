import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { RegisteredNode } from "./nodes.queries.js";
import type { NodeClient, SentRequest } from "./node-client.js";
import { forwardedHeader, type ForwardingSignature } from "./signature.js";

/** Headers of one connection (RFC 9110, section 7.6.1), and those that each node writes itself. */
const ofConnection = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/**
 * The length is stated anew: a client may name it in `Connection`, and the body without a length would be read as the
 * next request.
 */
const ofSender = new Set([...ofConnection, "content-length", "host", "expect", forwardedHeader]);

/** The client of a request, and what it sent. */
export interface ReceivedRequest {
  readonly id: string;
  readonly ip: string;
  readonly host: string;
  readonly protocol: "http" | "https";
  readonly raw: Pick<IncomingMessage, "method" | "url" | "headers" | "rawHeaders"> & Readable;
  readonly socket: { readonly localAddress?: string | undefined };
}

export interface Sender {
  readonly nodeId: string;
  readonly client: NodeClient;
  readonly signature: ForwardingSignature;
}

/** Sends a request on to a node as it is, with its body as it arrives. */
export function forwardRequest(
  { nodeId, client, signature }: Sender,
  node: RegisteredNode & { url: string },
  request: ReceivedRequest,
): SentRequest {
  const { method = "GET", url = "/", headers, rawHeaders } = request.raw;
  const isChunked = headers["transfer-encoding"] !== undefined;
  const length = Number(headers["content-length"] ?? 0);
  const hasBody = isChunked || length > 0;
  const signed = signature.sign(
    {
      from: nodeId,
      to: node.id,
      epoch: node.epoch,
      request: request.id,
      ip: request.ip,
      host: request.host,
      protocol: request.protocol,
      local: request.socket.localAddress ?? null,
    },
    method,
    url,
  );
  const own = [forwardedHeader, signed, "host", new URL(node.url).host];
  if (isChunked) own.push("transfer-encoding", "chunked");
  else if (hasBody || !isBodiless(method)) own.push("content-length", String(length));
  return client.send({
    origin: node.url,
    method,
    path: url,
    headers: [...own, ...passed(rawHeaders, headers, ofSender)],
    body: hasBody ? request.raw : null,
  });
}

const isBodiless = (method: string): boolean => ["GET", "HEAD", "OPTIONS"].includes(method);

/**
 * Passes an answer on as it arrives: status, headers and the body in its encoding. If the node's connection breaks,
 * so does the client's, because the end of the body is missing; if the client's breaks, the answer is aborted.
 * @param closes whether the client's connection ends with the answer
 */
export function passAnswer(
  answer: IncomingMessage,
  response: ServerResponse,
  closes: boolean,
): void {
  const headers = passed(answer.rawHeaders, answer.headers, ofConnection);
  if (closes) headers.push("connection", "close");
  response.writeHead(answer.statusCode ?? 502, headers);
  // The head of a stream precedes its first piece.
  if (answer.headers["content-length"] === undefined) response.flushHeaders();
  answer.on("error", () => response.destroy());
  response.once("close", () => answer.destroy());
  answer.pipe(response);
}

/** Returns names and values in turn without those of the connection. */
function passed(
  raw: readonly string[],
  { connection }: IncomingHttpHeaders,
  left: ReadonlySet<string>,
): string[] {
  const named = new Set(connection?.toLowerCase().split(/\s*,\s*/));
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [name = "", value = ""] = raw.slice(index, index + 2);
    const plain = name.toLowerCase();
    if (!left.has(plain) && !named.has(plain)) kept.push(name, value);
  }
  return kept;
}
