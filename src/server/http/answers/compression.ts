import { pipeline, Readable } from "node:stream";
import {
  brotliCompress,
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  gzip,
  gzipSync,
} from "node:zlib";
import type { FastifyInstance, FastifyReply } from "fastify";
import { addVary } from "./vary.js";

export type Coding = "br" | "gzip";
type Sent = string | Buffer;

/** Smaller bodies fit into one packet and gain nothing. */
export const minBytes = 1024;
/** Larger bodies are compressed in another thread, which smaller ones would only wait for. */
const maxSyncBytes = 32 * 1024;

/** Texts. Event streams are never compressed: an event would wait for the end of a block. */
const compressibleBodies =
  /^(?:application\/(?:problem\+)?json|text\/(?:css|csv|html|javascript|plain|x-diff))(?:;|$)/;

/** JSON that arrives as a stream is passed on from a model provider as it is. */
const compressibleStreams = /^text\/(?:csv|html|plain|x-diff)(?:;|$)/;

/** Replies whose bodies contain secrets, see `keepUncompressed`. */
const uncompressed = new WeakSet<FastifyReply>();

/**
 * Keeps a response from being compressed. The length of a compressed secret beside text that an attacker
 * chooses reveals the secret (BREACH).
 */
export function keepUncompressed(reply: FastifyReply): void {
  uncompressed.add(reply);
}

/** Compresses texts of at least 1 KiB with Brotli or gzip if the client accepts it. */
export function compressResponses(app: FastifyInstance): void {
  app.addHook("onSend", (request, reply, payload, done) => {
    if (!isCompressible(reply, payload)) return done(null, payload);
    addVary(reply, "Accept-Encoding");
    const coding = codingOf(request.headers["accept-encoding"]);
    if (coding === null || uncompressed.has(reply)) return done(null, payload);
    reply.header("content-encoding", coding).removeHeader("content-length");
    // Another representation: only the weak comparison may find the two equal (RFC 9110, 8.8.3.3).
    const tag = reply.getHeader("etag");
    if (typeof tag === "string" && tag.startsWith('"')) reply.header("etag", `W/${tag}`);
    if (payload instanceof Readable) return done(null, compressedStream(coding, payload));
    const body = payload as Sent;
    if (body.length <= maxSyncBytes) return done(null, compressedNow(coding, body));
    if (coding === "br") brotliCompress(body, brotli(body.length), done);
    else gzip(body, { level: gzipLevel }, done);
  });
}

/** Whether a body is a text that is not compressed yet, and long enough or a stream. */
function isCompressible(reply: FastifyReply, payload: unknown): boolean {
  const isText = typeof payload === "string" || Buffer.isBuffer(payload);
  if (isText ? payload.length < minBytes : !(payload instanceof Readable)) return false;
  if (reply.hasHeader("content-encoding") || reply.statusCode === 206) return false;
  const type = reply.getHeader("content-type");
  return typeof type === "string" && (isText ? compressibleBodies : compressibleStreams).test(type);
}

/**
 * Returns the content coding that the client prefers, Brotli among equals; null for none of the two
 * (RFC 9110, section 12.5.3).
 */
export function codingOf(accepted: string | string[] | undefined): Coding | null {
  if (accepted === undefined) return null;
  const weights = new Map<string, number>();
  for (const part of String(accepted).split(",")) {
    const [name = "", ...parameters] = part.toLowerCase().split(";");
    const weight = parameters.map((text) => /^\s*q=([\d.]+)\s*$/.exec(text)?.[1]).find(Boolean);
    weights.set(name.trim(), weight === undefined ? 1 : Number(weight));
  }
  const weightOf = (coding: Coding): number => weights.get(coding) ?? weights.get("*") ?? 0;
  const [br, zip] = [weightOf("br"), weightOf("gzip")];
  if (!(br > 0) && !(zip > 0)) return null;
  return br >= zip ? "br" : "gzip";
}

// Higher levels take several times as long for a few percent.
const quality = 4;
const gzipLevel = 5;

function brotli(size: number) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: quality,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    ...(size > 0 && { [constants.BROTLI_PARAM_SIZE_HINT]: size }),
  };
  return { params };
}

function compressedNow(coding: Coding, body: Sent): Buffer {
  return coding === "br"
    ? brotliCompressSync(body, brotli(body.length))
    : gzipSync(body, { level: gzipLevel });
}

/** Compresses a stream, every piece of which is sent at once: a page's head precedes its data. */
function compressedStream(coding: Coding, source: Readable): Readable {
  const target =
    coding === "br"
      ? createBrotliCompress({ ...brotli(0), flush: constants.BROTLI_OPERATION_FLUSH })
      : createGzip({ level: gzipLevel, flush: constants.Z_SYNC_FLUSH });
  // An error of the source destroys the target, which ends the response.
  return pipeline(source, target, () => {});
}
