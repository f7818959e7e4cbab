/** Requests and tunnels on connections that were made for a run. */
import {
  request as openRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HOP_BY_HOP } from "#shared/node/hop-by-hop.js";
import { ENDED, EgressError } from "./egress-error.js";
import type { Target } from "./target.js";

/** The request to a host, on a connected socket. */
function requestTo(
  request: IncomingMessage,
  { path }: Target,
  socket: Socket,
  further: readonly string[],
): ClientRequest {
  const kept = endToEnd(request).filter(([name]) => !/^(?:host|expect)$/i.test(name));
  const { host } = new URL(request.url ?? "");
  const outgoing = openRequest({
    method: request.method,
    path,
    headers: [...kept.flat(), "host", host, ...further],
    createConnection: () => socket,
  });
  // An error after the response ends its stream.
  outgoing.on("error", () => undefined);
  return outgoing;
}

/** The response to a request, or its upgrade with the first bytes of the new protocol. */
interface Answer {
  answer: IncomingMessage;
  upgraded: Buffer | null;
}

/** @throws EgressError if the host ends the connection first */
function answerOf(outgoing: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    outgoing.once("response", (answer) => resolve({ answer, upgraded: null }));
    outgoing.once("upgrade", (answer, _socket, head) => resolve({ answer, upgraded: head }));
    outgoing.once("close", () => reject(new EgressError(ENDED, 502)));
  });
}

/** Sends a request to its host, and the answer back. */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  socket: Socket,
): Promise<void> {
  const isChunked = request.headers["transfer-encoding"] !== undefined;
  const framing = isChunked ? ["transfer-encoding", "chunked"] : [];
  const outgoing = requestTo(request, target, socket, ["connection", "close", ...framing]);
  const answered = answerOf(outgoing);
  pipeline(request, outgoing).catch(() => undefined);
  const { answer, upgraded } = await answered;
  if (upgraded !== null) throw new EgressError("the host changed the protocol", 502);
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer).flat());
  response.flushHeaders();
  await pipeline(answer, response);
}

/** Sends an upgrade to its host. Other answers than 101 are sent back and end the connection. */
export async function upgrade(
  request: IncomingMessage,
  inner: Duplex,
  head: Buffer,
  target: Target,
  outer: Socket,
): Promise<void> {
  const protocol = request.headers.upgrade ?? "";
  const outgoing = requestTo(request, target, outer, [
    "connection",
    "upgrade",
    "upgrade",
    protocol,
  ]);
  const answered = answerOf(outgoing);
  outgoing.end();
  const { answer, upgraded } = await answered;
  const { statusCode, statusMessage, headers } = answer;
  const own = upgraded
    ? ["connection", "upgrade", "upgrade", headers.upgrade ?? protocol]
    : ["connection", "close"];
  const words = [...endToEnd(answer).flat(), ...own];
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let at = 0; at + 1 < words.length; at += 2) lines.push(`${words[at]}: ${words[at + 1]}`);
  inner.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  if (upgraded === null) return pipeline(answer, inner);
  inner.write(upgraded);
  outer.write(head);
  await joinSockets(inner, outer);
}

/** The headers that are not for one connection only. */
function endToEnd({ rawHeaders, headers }: IncomingMessage): [name: string, value: string][] {
  const named = (headers.connection ?? "").toLowerCase().split(/[\s,]+/);
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = "", value = ""] = rawHeaders.slice(at, at + 2);
    const key = name.toLowerCase();
    const isNamed = key !== "content-length" && named.includes(key);
    if (!HOP_BY_HOP.has(key) && !isNamed) kept.push([name, value]);
  }
  return kept;
}

/** Joins two connections until both have ended. */
export async function joinSockets(inner: Duplex, outer: Socket): Promise<void> {
  await Promise.allSettled([pipeline(inner, outer), pipeline(outer, inner)]);
  inner.destroy();
}
