/** The calls of the Docker Engine API used for runs (docs.docker.com/engine/api, version 1.41). */
import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { PassThrough, type Duplex } from "node:stream";
import { json } from "node:stream/consumers";

const VERSION = "/v1.41";

/** The engine refused a call; `message` is the engine's. */
export class DockerError extends Error {
  override readonly name = "DockerError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface AttachedStreams {
  stdin: Duplex;
  stdout: PassThrough;
  stderr: PassThrough;
}

export interface DockerApi {
  /** Makes a JSON call; `null` for an empty response. @throws DockerError, or a socket error */
  call(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<unknown>;
  /**
   * Returns the modification time of a path in a container in seconds since 1970; null if it does
   * not exist.
   */
  modifiedAt(container: string, path: string): Promise<number | null>;
  /** Attaches to the output of a container, and to its input if it has one, before its start. */
  attach(container: string): Promise<AttachedStreams>;
}

/** @param socketPath of the engine, such as `/var/run/docker.sock` */
export function dockerApi(socketPath: string): DockerApi {
  const send = (method: string, path: string, headers = {}, text = ""): ClientRequest => {
    const length = Buffer.byteLength(text);
    return request({
      socketPath,
      method,
      path: VERSION + path,
      headers: { host: "docker", "content-length": length, ...headers },
      agent: false,
    }).end(text);
  };
  return {
    async call(method, path, body) {
      const sent =
        body === undefined
          ? send(method, path)
          : send(method, path, { "content-type": "application/json" }, JSON.stringify(body));
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      return read(answer);
    },
    async modifiedAt(container, path) {
      const query = `/containers/${container}/archive?path=${encodeURIComponent(path)}`;
      const [answer] = (await once(send("HEAD", query), "response")) as [IncomingMessage];
      answer.resume();
      const header = answer.headers["x-docker-container-path-stat"];
      if (answer.statusCode !== 200 || typeof header !== "string") return null;
      const { mtime } = JSON.parse(Buffer.from(header, "base64").toString("utf8")) as {
        mtime: string;
      };
      return Math.floor(Date.parse(mtime) / 1000);
    },
    async attach(container) {
      const path = `/containers/${container}/attach?stream=1&stdin=1&stdout=1&stderr=1`;
      const sent = send("POST", path, { connection: "Upgrade", upgrade: "tcp" });
      const socket = await new Promise<Duplex>((resolve, reject) => {
        sent.once("error", reject);
        sent.once("upgrade", (_answer, upgraded: Duplex, head: Buffer) => {
          upgraded.unshift(head);
          resolve(upgraded);
        });
        sent.once("response", (answer) => {
          const detail = "the engine does not stream a container's output";
          read(answer).then(() => reject(new DockerError(500, detail)), reject);
        });
      });
      return { stdin: socket, ...separate(socket) };
    },
  };
}

async function read(answer: IncomingMessage): Promise<unknown> {
  const status = answer.statusCode ?? 0;
  const body = (await json(answer).catch(() => null)) as { message?: string } | null;
  if (status >= 400)
    throw new DockerError(status, body?.message ?? `the engine answered ${status}`);
  return body;
}

/** Demultiplexes frames: eight bytes (stream, three zeros, big-endian length), then the payload. */
function separate(socket: Duplex): { stdout: PassThrough; stderr: PassThrough } {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const pump = async (): Promise<void> => {
    let rest: Buffer = Buffer.alloc(0);
    let left = 0;
    let target = stdout;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (left > 0 ? rest.length > 0 : rest.length >= 8) {
        if (left === 0) {
          target = rest[0] === 2 ? stderr : stdout;
          left = rest.readUInt32BE(4);
          rest = rest.subarray(8);
          continue;
        }
        const piece = rest.subarray(0, left);
        rest = rest.subarray(piece.length);
        left -= piece.length;
        // Backpressure: read no more from the engine until this is consumed.
        if (!target.destroyed && !target.write(piece)) {
          await Promise.race([once(target, "drain"), once(target, "close")]);
        }
      }
    }
  };
  const end = (): void => {
    stdout.end();
    stderr.end();
  };
  pump().then(end, end);
  return { stdout, stderr };
}
