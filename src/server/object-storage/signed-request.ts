import { createHash } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { ObjectStorageError, type ObjectStorageFailure } from "./object-storage-error.js";
import { textOf } from "./xml.js";

/** An S3 server and the credentials for it. */
export interface S3Settings {
  /** Address without a trailing slash. */
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Where the bucket's name stands: in the path, or in the host name. */
  addressing: "path" | "host";
}

export interface S3Request {
  method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  bucket: string;
  /** Empty for the bucket itself. */
  key: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Buffer;
  signal?: AbortSignal | undefined;
  /** Attempts in total; only outages are repeated. */
  attempts?: number;
  /** Maximum pause between two bytes, in milliseconds. */
  timeoutMs?: number;
}

/** Sends a request; the caller consumes or destroys the body of the response. */
export type SendS3 = (request: S3Request) => Promise<http.IncomingMessage>;

const ATTEMPTS = 4;
const TIMEOUT_MS = 20_000;
const FIRST_PAUSE_MS = 200;
/** Error responses are short; the rest is dropped. */
const MAX_ERROR_BYTES = 16 * 1024;
/** A page of a listing has 1000 keys of at most 1024 bytes. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;

export interface S3Sender {
  send: SendS3;
  /** Sends a request and returns the body of its response. */
  sendForText: (request: S3Request) => Promise<string>;
  close: () => void;
}

/** Creates a sender of signed requests (AWS Signature Version 4). */
export function createS3Sender(settings: S3Settings): S3Sender {
  const { protocol } = new URL(settings.endpoint);
  const transport = protocol === "https:" ? https : http;
  const agent = new transport.Agent({ keepAlive: true, maxSockets: 64 });
  const once = async (request: S3Request): Promise<http.IncomingMessage> => {
    const { method, body, signal, timeoutMs = TIMEOUT_MS } = request;
    const payload = createHash("sha256")
      .update(body ?? "")
      .digest("hex");
    const signed = await new AwsV4Signer({
      ...settings,
      method,
      url: addressOf(settings, request).href,
      headers: { ...request.headers, "x-amz-content-sha256": payload },
      service: "s3",
    }).sign();
    const headers: Record<string, string> = Object.fromEntries(signed.headers);
    if (body) headers["content-length"] = String(body.length);
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const sent = transport.request(signed.url, { method, headers, agent, signal }, resolve);
      sent.setTimeout(timeoutMs, () => sent.destroy(new Error(`no answer in ${timeoutMs} ms`)));
      sent.once("error", reject);
      // Also after the response has begun, where the response reports it.
      sent.on("error", () => undefined);
      sent.end(body);
    });
    const { statusCode: status = 0 } = response;
    if (status >= 200 && status < 300) return response;
    const text = await readText(response, MAX_ERROR_BYTES);
    throw failureOf(status, textOf(text, "Code"), request);
  };
  const retrying = async <Result>(
    request: S3Request,
    read: (response: http.IncomingMessage) => Result | Promise<Result>,
  ): Promise<Result> => {
    const { attempts = ATTEMPTS, signal } = request;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await read(await once(request));
      } catch (cause) {
        if (signal?.aborted === true) throw signal.reason;
        const error =
          cause instanceof ObjectStorageError
            ? cause
            : new ObjectStorageError("unavailable", (cause as Error).message, { cause });
        if (error.failure !== "unavailable" || attempt >= attempts) throw error;
        await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, signal ? { signal } : {});
      }
    }
  };
  return {
    send: (request) => retrying(request, (response) => response),
    sendForText: (request) => retrying(request, (response) => readText(response, MAX_TEXT_BYTES)),
    close: () => agent.destroy(),
  };
}

function addressOf({ endpoint, addressing }: S3Settings, { bucket, key, query }: S3Request): URL {
  const url = new URL(endpoint);
  if (addressing === "host") url.hostname = `${bucket}.${url.hostname}`;
  const parts = [...(addressing === "path" ? [bucket] : []), ...(key === "" ? [] : key.split("/"))];
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${parts.map(encodeURIComponent).join("/")}`;
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
  return url;
}

function failureOf(status: number, code: string | null, request: S3Request): ObjectStorageError {
  const { method, bucket, key } = request;
  const isObject = key !== "" && code !== "NoSuchBucket";
  const failure: ObjectStorageFailure =
    status === 501
      ? "unsupported"
      : status === 404
        ? isObject
          ? "missing"
          : "no_bucket"
        : status === 400 || status === 401 || status === 403 || (status >= 300 && status < 400)
          ? "denied"
          : "unavailable";
  const answer = code === null ? `status ${status}` : `status ${status}, ${code}`;
  return new ObjectStorageError(failure, `${method} ${bucket}/${key}: ${answer}`);
}

/** Reads at most `maxBytes` of a response as text. */
async function readText(response: http.IncomingMessage, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response) {
    pieces.push(piece as Buffer);
    bytes += (piece as Buffer).length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(pieces).toString("utf8", 0, maxBytes);
}
