import { createHash, createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import { openObjectStorage, type ObjectStorage } from "#server/object-storage/object-storage.js";

/** A request as the proxy sees it. */
export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
}

/** A failure that the proxy makes of a request. */
export type Fault = "status 500" | "status 403" | "slow" | "reset" | "reset after" | "truncated";

/** An S3 server behind a proxy that makes failures. */
export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** Settings of a server that stores its logs here. */
  readonly env: Record<string, string>;
  readonly storage: ObjectStorage;
  readonly seen: SeenRequest[];
  /** Chooses the failure of a request; null for none. */
  fault: (request: SeenRequest) => Fault | null;
  /** Keys below a prefix. */
  keys(prefix?: string): Promise<string[]>;
  close(): Promise<void>;
}

const bucket = "omoi-tests";
const key = "S3RVER";
/** Longer than the timeout of an interactive request would make tests slow. */
const SLOW_MS = 300;

/**
 * s3rver encrypts the tokens of its listings with DES, which OpenSSL 3 lacks. Triple DES with one key is the
 * same.
 */
const require = createRequire(import.meta.url);
type Cipher = (name: string, key: Buffer, iv: Buffer) => unknown;
const ciphers = require("node:crypto") as Record<"createCipheriv" | "createDecipheriv", Cipher>;
for (const name of ["createCipheriv", "createDecipheriv"] as const) {
  const original = ciphers[name];
  ciphers[name] = (cipher, ownKey, iv) =>
    cipher === "des"
      ? original("des-ede3-cbc", Buffer.concat([ownKey, ownKey, ownKey]), iv)
      : original(cipher, ownKey, iv);
}

/**
 * Whether the signature of a request is right, since s3rver checks none of version 4
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 */
function isSigned({ method, url, headers }: http.IncomingMessage): boolean {
  const { authorization = "" } = headers;
  const [, scope = "", names = "", signature] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+), Signature=(\w+)$/.exec(
      authorization,
    ) ?? [];
  const [path = "", query = ""] = (url ?? "").split("?");
  const canonical = [
    method,
    path,
    query.split("&").filter(Boolean).toSorted().join("&"),
    ...names.split(";").map((name) => `${name}:${String(headers[name])}`),
    "",
    names,
    headers["x-amz-content-sha256"],
  ].join("\n");
  const hash = createHash("sha256").update(canonical).digest("hex");
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hash].join("\n");
  let signing: string | Buffer = `AWS4${key}`;
  for (const part of [...scope.split("/"), text]) {
    signing = createHmac("sha256", signing).update(part).digest();
  }
  return (signing as Buffer).toString("hex") === signature;
}

export async function startS3Server(): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), "omoi-s3-"));
  const s3 = new S3rver({
    directory,
    address: "127.0.0.1",
    port: 0,
    silent: true,
    configureBuckets: [{ name: bucket }],
  });
  const { port } = await s3.run();
  const seen: SeenRequest[] = [];
  const proxy = http.createServer((request, response) => {
    const one = { method: request.method ?? "", url: request.url ?? "" };
    seen.push(one);
    const fault = server.fault(one);
    const socket = request.socket;
    if (fault === "reset") return void socket.resetAndDestroy();
    if (fault === "status 500" || fault === "status 403") {
      request.resume().once("end", () => {
        response.writeHead(Number(fault.slice(-3))).end("<Error><Code>Planted</Code></Error>");
      });
      return;
    }
    if (!isSigned(request)) {
      request.resume().once("end", () => {
        response.writeHead(403).end("<Error><Code>SignatureDoesNotMatch</Code></Error>");
      });
      return;
    }
    const forward = (): void => {
      const hash = createHash("sha256");
      request.on("data", (piece: Buffer) => hash.update(piece));
      const { method, url: path, headers } = request;
      const forwarded = http.request(
        { port, host: "127.0.0.1", method, path, headers },
        (answer) => {
          if (fault === "reset after") return void socket.resetAndDestroy();
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          if (fault !== "truncated") return void answer.pipe(response);
          const pieces: Buffer[] = [];
          answer.on("data", (piece: Buffer) => pieces.push(piece));
          answer.once("end", () => {
            const body = Buffer.concat(pieces);
            response.write(body.subarray(0, Math.floor(body.length / 2)), () => socket.destroy());
          });
        },
      );
      forwarded.on("error", () => socket.destroy());
      request.once("end", () => {
        if (hash.digest("hex") !== request.headers["x-amz-content-sha256"]) socket.destroy();
      });
      response.once("close", () => forwarded.destroy());
      request.pipe(forwarded);
    };
    if (fault === "slow") setTimeout(forward, SLOW_MS);
    else forward();
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const storage = openObjectStorage({
    endpoint,
    region: "us-east-1",
    accessKeyId: key,
    secretAccessKey: key,
    addressing: "path",
  });
  const server: S3Server = {
    endpoint,
    bucket,
    env: {
      OMOI_S3_ENDPOINT: endpoint,
      OMOI_S3_BUCKET: bucket,
      OMOI_S3_ACCESS_KEY_ID: key,
      OMOI_S3_SECRET_ACCESS_KEY: key,
    },
    storage,
    seen,
    fault: () => null,
    keys: async (prefix = "") => {
      const found: string[] = [];
      for await (const object of storage.list(bucket, prefix)) found.push(object.key);
      return found;
    },
    close: async () => {
      storage.close();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await s3.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return server;
}
