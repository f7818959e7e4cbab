import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { codingOf, minBytes, type Coding } from "./compression.js";
import { isNotModified, tagOf } from "./conditional.js";
import { addVary } from "./vary.js";

/** A body that is the same for every caller, with what is computed of it once. */
export interface ConstantBody {
  readonly type: string;
  readonly bytes: Buffer;
  readonly tag: string;
  readonly compressed: Map<Coding, Promise<Buffer>>;
}

/** @param type the media type; texts are sent compressed */
export function constantBody(type: string, body: string | Buffer): ConstantBody {
  const bytes = Buffer.from(body as string);
  return { type, bytes, tag: tagOf(bytes), compressed: new Map() };
}

/**
 * Sends a constant body, or 304 if the client has it. Each coding is compressed once, for the first client that
 * accepts it: anonymous requests for large texts would otherwise cost more than any other.
 */
export async function sendConstant(
  request: FastifyRequest,
  reply: FastifyReply,
  body: ConstantBody,
): Promise<FastifyReply> {
  const { type, bytes, tag } = body;
  const isText = !type.startsWith("image/") && bytes.length >= minBytes;
  const coding = isText ? codingOf(request.headers["accept-encoding"]) : null;
  // Another representation: only the weak comparison may find the two equal (RFC 9110, 8.8.3.3).
  reply.header("etag", coding === null ? tag : `W/${tag}`).header("cache-control", "no-cache");
  const isKnown = isNotModified(request, tag);
  // The hook that compresses other responses sets it for uncompressed bodies.
  if (isText && (isKnown || coding !== null)) addVary(reply, "Accept-Encoding");
  if (isKnown) return reply.code(304).send();
  reply.type(type);
  if (coding === null) return reply.send(bytes);
  const compressed = body.compressed.get(coding) ?? compress[coding](bytes);
  body.compressed.set(coding, compressed);
  return reply.header("content-encoding", coding).send(await compressed);
}

const brotli = promisify(brotliCompress);

/** Once, so a smaller body is worth more time than elsewhere. */
const QUALITY = 9;

const compress: Record<Coding, (bytes: Buffer) => Promise<Buffer>> = {
  br: (bytes) =>
    brotli(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: QUALITY,
        [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gzip: (bytes) => promisify(gzip)(bytes, { level: QUALITY }),
};
