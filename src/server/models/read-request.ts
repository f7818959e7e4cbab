import { estimateOf, type CallEstimate } from "./call-estimate.js";
import { isRecord } from "./json.js";
import { membersOf, parseRequest } from "./request-members.js";

export interface RequestToRead {
  body: Uint8Array;
  /** Behind the version. */
  path: string;
  /** Whether the API is like OpenAI's. */
  isLikeOpenAi: boolean;
}

export interface ReadRequest {
  /** Replaces the `stream_options` of the request, so that the stream reports its usage; null where it does by itself. */
  streamOptions: string | null;
  estimate: CallEstimate;
}

/**
 * Reads a request to estimate its tokens. One to an API like OpenAI's is checked, so that its tokens are counted:
 * a stream of chat completions reports them only on request, and the answer to a background request comes later.
 * Returns what is wrong as a sentence, or what was read.
 */
export function readRequest({ body, path, isLikeOpenAi }: RequestToRead): ReadRequest | string {
  const request = parseRequest(
    Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString(),
  );
  if (typeof request === "string") return request;
  const read = { streamOptions: null, estimate: estimateOf(request, body.length, path) };
  if (!isLikeOpenAi) return read;
  const { stream, background } = request;
  if (stream !== undefined && stream !== null && typeof stream !== "boolean") {
    return "stream must be true or false.";
  }
  if (background !== undefined && background !== null && background !== false) {
    return "background is not available: the tokens of a later answer would not be counted.";
  }
  if (path === "/responses" || stream !== true) return read;
  const given = request["stream_options"] ?? {};
  if (!isRecord(given)) return "stream_options must be an object.";
  const options = membersOf(given);
  if (options["include_usage"] === true) return read;
  return { ...read, streamOptions: JSON.stringify({ ...options, include_usage: true }) };
}

/**
 * Returns a request with other `stream_options`. They are inserted into the bytes, because parsing loses digits of
 * large numbers. The last of two members counts.
 */
export function withStreamOptions(body: Buffer, options: string): Buffer {
  const end = body.lastIndexOf("}");
  const added = Buffer.from(`,"stream_options":${options}`);
  return Buffer.concat([body.subarray(0, end), added, body.subarray(end)]);
}
