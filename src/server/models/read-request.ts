import { estimateOf, type CallEstimate } from "./call-estimate.js";
import { isRecord } from "./json.js";
import { membersOf, parseRequest } from "./request-members.js";

/** A request whose body was read, as it is sent on. */
export interface ReadRequest {
  body: Buffer;
  /** Whether the stream of the answer reports its usage only because the server asked for it. */
  isUsageAdded: boolean;
  estimate: CallEstimate;
}

/**
 * Reads a request to estimate its tokens. One to an API like OpenAI's is checked, so that its tokens are counted:
 * a stream of chat completions reports them only on request, and the answer to a background request comes later.
 * Returns what is wrong as a sentence, or the request.
 * @param path behind the version
 * @param isLikeOpenAi whether the API is like OpenAI's
 */
export function readRequest(
  body: Buffer,
  path: string,
  isLikeOpenAi: boolean,
): ReadRequest | string {
  const text = body.toString();
  const request = parseRequest(text);
  if (typeof request === "string") return request;
  const estimate = estimateOf(request, body.length, path);
  if (!isLikeOpenAi) return { body, isUsageAdded: false, estimate };
  const { stream, background } = request;
  if (stream !== undefined && stream !== null && typeof stream !== "boolean") {
    return "stream must be true or false.";
  }
  if (background !== undefined && background !== null && background !== false) {
    return "background is not available: the tokens of a later answer would not be counted.";
  }
  if (path === "/responses" || stream !== true) return { body, isUsageAdded: false, estimate };
  const given = request["stream_options"] ?? {};
  if (!isRecord(given)) return "stream_options must be an object.";
  const options = membersOf(given);
  if (options["include_usage"] === true) return { body, isUsageAdded: false, estimate };
  // Inserted into the text, because parsing loses digits of large numbers. The last of two members counts.
  const added = JSON.stringify({ ...options, include_usage: true });
  const end = text.lastIndexOf("}");
  const sent = `${text.slice(0, end)},"stream_options":${added}${text.slice(end)}`;
  return { body: Buffer.from(sent), isUsageAdded: true, estimate };
}
