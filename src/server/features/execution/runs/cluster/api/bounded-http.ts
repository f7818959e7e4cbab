import type { RequestContext } from "@kubernetes/client-node";
import http from "node:http";
import https from "node:https";

/** Timeout of one call. */
const CALL_MS = 15_000;
/** Maximum length of an answer: a page of pods is far below. */
const MAX_BYTES = 32 * 1024 * 1024;

interface HttpAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Sends a request of the client. A call ends after some seconds, no endless answer is read, and no redirect is
 * followed, which would take the credential along.
 */
export function sendBounded(request: RequestContext): Promise<HttpAnswer> {
  const url = new URL(request.getUrl());
  // The client sends JSON only.
  const body = Buffer.from((request.getBody() as string | undefined) ?? "");
  const { request: send } = url.protocol === "https:" ? https : http;
  return new Promise((resolve, reject) => {
    const sent = send(
      url,
      {
        method: request.getHttpMethod(),
        // Node does not frame the body of a DELETE otherwise.
        headers: { ...request.getHeaders(), "content-length": String(body.length) },
        agent: request.getAgent(),
        signal: AbortSignal.timeout(CALL_MS),
      },
      (answer) => {
        const chunks: Buffer[] = [];
        let length = 0;
        answer.on("data", (chunk: Buffer) => {
          length += chunk.length;
          if (length > MAX_BYTES) sent.destroy(new Error(`an answer exceeds ${MAX_BYTES} bytes`));
          else chunks.push(chunk);
        });
        answer.on("error", reject);
        answer.on("end", () => {
          const headers: Record<string, string> = {};
          for (const [name, value] of Object.entries(answer.headers)) headers[name] = String(value);
          resolve({ status: answer.statusCode ?? 0, headers, body: Buffer.concat(chunks) });
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}
