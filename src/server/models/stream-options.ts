import { isRecord, parseJson } from "./json.js";

/**
 * Makes a request for chat completions report its tokens: a stream does so only on request. Returns the
 * request as it is if it is not such a stream, or asks for it itself.
 */
export function askForUsage(body: Buffer): { body: Buffer; isAdded: boolean } {
  const request = parseJson(body.toString());
  if (!isRecord(request) || request["stream"] !== true) return { body, isAdded: false };
  const options = request["stream_options"];
  if (options !== undefined && options !== null && !isRecord(options)) {
    return { body, isAdded: false };
  }
  if (options?.["include_usage"] === true) return { body, isAdded: false };
  const stream_options = { ...options, include_usage: true };
  return { body: Buffer.from(JSON.stringify({ ...request, stream_options })), isAdded: true };
}
