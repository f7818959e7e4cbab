/** The answer of a reviewing program: a review as JSON in its final message. */
import type { NewComment } from "#shared/api/work/reviews.js";
import { MAX_COMMENT_BYTES, MAX_REVIEW_COMMENTS, newComment } from "#shared/api/work/reviews.js";
import type { OpinionReview } from "#shared/api/work/opinions.js";
import { propertyOf } from "#execution/logs/json-output.js";

/** A review as the program wrote it; its places may not exist. */
export interface Answer {
  verdict: OpinionReview["verdict"];
  body: string;
  comments: NewComment[];
}

/** Reads a review from a message; null if it has none. An approval is a comment: agents approve nothing. */
export function readAnswer(message: string): Answer | null {
  const answer = findObject(message);
  if (answer === null) return null;
  const body = textOf(propertyOf(answer, "body"));
  const listed = propertyOf(answer, "comments");
  const comments = (Array.isArray(listed) ? listed : [])
    .slice(0, MAX_REVIEW_COMMENTS)
    .flatMap(commentOf);
  if (body.trim() === "" && comments.length === 0) return null;
  const isRequest = propertyOf(answer, "verdict") === "request_changes";
  return { verdict: isRequest ? "request_changes" : "comment", body, comments };
}

/** Finds the JSON object of a message, which may have a fence or a sentence around it. */
function findObject(message: string): object | null {
  const candidates = [message, message.slice(message.indexOf("{"), message.lastIndexOf("}") + 1)];
  for (const text of candidates) {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    } catch {
      // The next candidate may be whole.
    }
  }
  return null;
}

function commentOf(entry: unknown): NewComment[] {
  const path = textOf(propertyOf(entry, "path"));
  const line = lineOf(propertyOf(entry, "line"));
  const start = lineOf(propertyOf(entry, "start_line"));
  const side = propertyOf(entry, "side") === "old" ? ("old" as const) : ("new" as const);
  const suggestion = propertyOf(entry, "suggestion");
  const body = textOf(propertyOf(entry, "body"));
  const comment = {
    path,
    side,
    body,
    ...(line !== undefined && { line }),
    ...(line !== undefined && start !== undefined && start <= line && { start_line: start }),
    ...(typeof suggestion === "string" &&
      line !== undefined &&
      side === "new" && { suggestion: textOf(suggestion) }),
  };
  const parsed = newComment.safeParse(comment);
  return parsed.success ? [parsed.data] : [];
}

const lineOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 ? value : undefined;

/** Returns a text without control characters, cut to the length of a comment. */
export function textOf(value: unknown): string {
  if (typeof value !== "string") return "";
  // oxlint-disable-next-line no-control-regex
  const plain = value.replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/g, "");
  const bytes = Buffer.from(plain);
  if (bytes.length <= MAX_COMMENT_BYTES) return plain;
  return bytes
    .subarray(0, MAX_COMMENT_BYTES - 3)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
}
