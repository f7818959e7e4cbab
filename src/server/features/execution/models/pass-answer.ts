/** The answer of a provider, as it is passed on to the run. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { Answer } from "../../../http/answers/answer.js";
import { createKeyMask, SHORTEST_MASKED, type KeyMask } from "../../../models/mask-key.js";
import { ProviderError } from "../../../models/provider-client.js";
import type { Report } from "../../../models/token-usage.js";
import type { UsageMeter } from "../../../models/usage-meter.js";

/** Maximum size of an error that is read to keep the key out of it. */
const MAX_ERROR_BYTES = 256 * 1024;
/** Limits on reading an answer whose client has left, to count its tokens. */
const DRAIN_MS = 120_000;
const MAX_DRAINED_BYTES = 32 * 1024 * 1024;

/** @throws ProviderError for an answer that cannot be passed on */
export function requirePassable({ statusCode: status = 0, headers }: IncomingMessage): void {
  const encoding = headers["content-encoding"] ?? "identity";
  if (status < 200 || (status >= 300 && status < 400)) {
    const detail = "check the address of its secret";
    throw new ProviderError(`The provider answered with the status ${status}; ${detail}.`);
  }
  if (encoding !== "identity") {
    throw new ProviderError(`The provider answered with the encoding ${encoding}.`);
  }
}

/** Headers of the provider's connection and site. */
const droppedHeaders =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|content-encoding|set-cookie|strict-transport-security|content-security-policy.*|alt-svc|report-to|nel|server|access-control-.*|location|link)$/;

export function keptHeaders(given: IncomingHttpHeaders, key: string): Record<string, string> {
  const kept = Object.entries(given).flatMap(([name, value]) =>
    typeof value !== "string" || droppedHeaders.test(name) || hasKey(value, key)
      ? []
      : [[name, value] as const],
  );
  return { ...Object.fromEntries(kept), "cache-control": "no-store", "x-accel-buffering": "no" };
}

function hasKey(text: string, key: string): boolean {
  return key.length >= SHORTEST_MASKED && text.includes(key);
}

/** Returns an error of the provider without its key. @throws ProviderError if it ends early */
export async function passError(answer: IncomingMessage, key: string): Promise<Answer<string>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ERROR_BYTES) break;
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    throw new ProviderError("The provider ended its answer early.");
  }
  const mask = createKeyMask(key);
  const text = Buffer.concat([mask.write(Buffer.concat(chunks)), mask.end()]).toString();
  return new Answer(text, {
    status: answer.statusCode ?? 502,
    headers: keptHeaders(answer.headers, key),
  });
}

/**
 * Returns the body of an answer, which passes as it arrives, without the key. If the client leaves early, the rest is read
 * without it, up to a limit, because the provider reports the tokens at the end.
 * @param ended called once with the report and whether the answer came to its end, before the body ends or
 * fails; it must not fail
 */
export function passBody(
  answer: IncomingMessage,
  { meter, mask }: { meter: UsageMeter; mask: KeyMask },
  ended: (report: Report | null, isWhole: boolean) => Promise<void>,
): Readable {
  let isOver = false;
  let hasClient = true;
  let drained = 0;
  let draining: NodeJS.Timeout | undefined;
  const body = new Readable({
    read: () => {
      answer.resume();
    },
    destroy: (error, done) => {
      hasClient = false;
      if (!isOver) draining = setTimeout(() => answer.destroy(), DRAIN_MS).unref();
      answer.resume();
      done(error);
    },
  });
  // The reply adds its own listener later.
  body.on("error", () => {});
  const pass = (bytes: Buffer): void => {
    if (hasClient) {
      if (bytes.length > 0 && !body.push(bytes)) answer.pause();
      return;
    }
    drained += bytes.length;
    if (drained > MAX_DRAINED_BYTES) answer.destroy();
  };
  const finish = async (failure: Error | null): Promise<void> => {
    if (isOver) return;
    isOver = true;
    clearTimeout(draining);
    const { rest, report } = meter.end();
    if (failure === null) {
      pass(mask.write(rest));
      pass(mask.end());
    }
    await ended(report, failure === null);
    if (!hasClient) return;
    if (failure === null) body.push(null);
    else body.destroy(failure);
  };
  answer.on("data", (chunk: Buffer) => pass(mask.write(meter.write(chunk))));
  answer.once("end", () => void finish(null));
  answer.once("error", (error) => void finish(error));
  answer.once(
    "close",
    () => void finish(new ProviderError("The provider ended its answer early.")),
  );
  answer.pause();
  return body;
}
