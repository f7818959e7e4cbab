/** Requests by node:http, which is loaded sooner than fetch. */
import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { pipeline, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import type { FetchLike } from "#shared/contract/call.js";
import { FailedError } from "../output/failures.js";

export interface Target {
  url: string;
  token: string | null;
}

const agents = { http: new Agent({ keepAlive: true }), https: new TlsAgent({ keepAlive: true }) };
/** Time without a byte of the answer after which the server is asked whether it lives; milliseconds. */
const SILENCE_MS = 10_000;
/** Time within which a server that lives answers; milliseconds. */
const PROBE_MS = 5_000;
/** Silences after which a server that lives, but does not answer the request, is given up. */
const MAX_SILENCES = 6;

interface Sent {
  method: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  signal?: AbortSignal;
  /** Whether the answer, once it has begun, may be silent for as long as it likes. */
  isStream?: boolean;
}

/** The server of the last request. */
let asked: string | null = null;

/** Returns the version of the server that was asked last; null if it does not say. */
export async function askedVersion(): Promise<string | null> {
  if (asked === null) return null;
  try {
    const response = await send({ url: asked, token: null }, "/version", { method: "GET" });
    const { version } = JSON.parse(await textOf(response)) as { version?: unknown };
    return typeof version === "string" ? version : null;
  } catch {
    return null;
  }
}

/**
 * Sends a request and returns the answer as it begins.
 * @throws FailedError if the server cannot be reached, or is silent
 */
export function send({ url, token }: Target, path: string, sent: Sent): Promise<IncomingMessage> {
  asked = url;
  const address = new URL(path, url);
  const isTls = address.protocol === "https:";
  const { method, body, signal, isStream = false } = sent;
  const headers = {
    "user-agent": "omoi-cli",
    ...(isStream ? {} : { "accept-encoding": "gzip" }),
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...sent.headers,
    ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
  };
  return new Promise((resolve, reject) => {
    const options = {
      method,
      headers,
      agent: isTls ? agents.https : agents.http,
      // Counts from the start of the connection on.
      timeout: SILENCE_MS,
      ...(signal && { signal }),
    };
    const request = (isTls ? httpsRequest : httpRequest)(address, options, (response) => {
      if (isStream) request.removeAllListeners("timeout").setTimeout(0);
      resolve(response);
    });
    let silences = 0;
    const onSilence = async (): Promise<void> => {
      silences += 1;
      if (!(await isAlive(address))) request.destroy(silentFor(SILENCE_MS + PROBE_MS));
      else if (silences === MAX_SILENCES) request.destroy(silentFor(MAX_SILENCES * SILENCE_MS));
      else request.setTimeout(SILENCE_MS);
    };
    request.on("timeout", () => void onSilence());
    request.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.name === "AbortError" ? error : unreachable(url, error)),
    );
    request.end(body);
  });
}

const silentFor = (milliseconds: number): Error =>
  new Error(`no answer within ${milliseconds / 1000} seconds`);

/** Whether a server answers anything at all: long calls, such as merges, are silent meanwhile. */
function isAlive(address: URL): Promise<boolean> {
  const ask = address.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const options = { agent: false, signal: AbortSignal.timeout(PROBE_MS) };
    ask(new URL("/version", address), options, (response) => {
      response.destroy();
      resolve(true);
    })
      .on("error", () => resolve(false))
      .end();
  });
}

/** Why a server cannot be reached, and what to check. */
function unreachable(url: string, error: NodeJS.ErrnoException): FailedError {
  const [first] = "errors" in error ? (error.errors as NodeJS.ErrnoException[]) : [error];
  const { code = "", message } = first ?? error;
  const reasons: Record<string, string> = {
    ECONNREFUSED: "the connection was refused",
    ENOTFOUND: "its name is not known",
    ETIMEDOUT: "the connection timed out",
    ECONNRESET: "the connection was closed",
    DEPTH_ZERO_SELF_SIGNED_CERT:
      "its certificate is signed by itself; name its authority with NODE_EXTRA_CA_CERTS",
  };
  return new FailedError(
    `cannot reach ${url}: ${reasons[code] ?? message}. Check the address (omoi context) and the server.`,
  );
}

/** The whole text of an answer. */
export async function textOf(response: IncomingMessage): Promise<string> {
  try {
    return await text(unpacked(response));
  } catch (error) {
    throw new FailedError(
      `The connection was lost in the middle of the answer: ${(error as Error).message}.`,
    );
  }
}

/** The body of an answer; a lost connection is an error of its stream. */
function unpacked(response: IncomingMessage): Readable {
  if (response.headers["content-encoding"] !== "gzip") return response;
  return pipeline(response, createGunzip(), () => undefined);
}

/** Sends requests for the typed client. */
export function fetchFrom(target: Target): FetchLike {
  return async (path, init) => {
    const response = await send(target, path, {
      method: init.method ?? "GET",
      headers: init.headers as Record<string, string>,
      ...(typeof init.body === "string" && { body: init.body }),
      ...(init.signal && { signal: init.signal }),
    });
    const body = await textOf(response);
    const { statusCode: status = 0, headers } = response;
    rejectOthers(target.url, response, body);
    return {
      status,
      ok: status >= 200 && status < 300,
      headers: { get: (name: string) => headerOf(headers[name.toLowerCase()]) },
      text: () => Promise.resolve(body),
    } as unknown as Response;
  };
}

const headerOf = (value: string | string[] | undefined): string | null =>
  Array.isArray(value) ? value.join(", ") : (value ?? null);

/** @throws FailedError for an answer that no Omoi server gives */
export function rejectOthers(
  url: string,
  { statusCode = 0, headers }: IncomingMessage,
  body: string,
): void {
  const { location } = headers;
  if (statusCode >= 300 && statusCode < 400 && statusCode !== 304) {
    throw new FailedError(
      location === undefined
        ? `${url} does not answer as an Omoi server does (status ${statusCode}).`
        : `${url} redirects to ${location}; sign in to that address.`,
    );
  }
  const isJson = /\bjson\b/.test(headers["content-type"] ?? "");
  const isProblem = isJson && /"code"\s*:/.test(body);
  if (statusCode >= 400 && !isProblem) {
    throw new FailedError(
      `${url} does not answer as an Omoi server does (status ${statusCode}). Check the address, or what is in front of the server.`,
    );
  }
  if (statusCode === 200 && body !== "" && /text\/html/.test(headers["content-type"] ?? "")) {
    throw new FailedError(`${url} answers with a web page; it is no Omoi server, or an old one.`);
  }
}

/** Writes an answer to standard output as it comes. */
export async function writeThrough(response: IncomingMessage): Promise<void> {
  const text = unpacked(response);
  for await (const chunk of text) {
    if (!process.stdout.write(chunk as Buffer)) await once(process.stdout, "drain");
  }
}
