/** Requests by which a client with a key tries to fill the memory of the server. */
import { request as httpRequest } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { zeroOid } from "./packs.js";

/** A project's address, and a key of the attacker. */
export interface FloodTarget {
  cloneUrl: string;
  key: string;
  /** A commit that the key may fetch. */
  commit: string;
}

export interface GitFlood {
  service: "upload-pack" | "receive-pack";
  isZipped?: boolean;
  body: (target: FloodTarget) => Iterable<Buffer>;
}

const MEBIBYTE = 2 ** 20;

function packet(payload: string): Buffer {
  const length = (payload.length + 4).toString(16).padStart(4, "0");
  return Buffer.from(`${length}${payload}`, "latin1");
}

function* repeat(piece: Buffer, count: number): Generator<Buffer> {
  for (let index = 0; index < count; index += 1) yield piece;
}

/** Returns a small gzip stream (RFC 1952: members follow each other) of up to `bytes` repetitions of a packet. */
function* zipped(head: Buffer, piece: Buffer, bytes: number): Generator<Buffer> {
  yield gzipSync(head);
  const member = Buffer.concat([...repeat(piece, Math.floor((16 * MEBIBYTE) / piece.length))]);
  yield* repeat(gzipSync(member), Math.ceil(bytes / member.length));
}

const want = ({ commit }: FloodTarget): Buffer => packet(`want ${commit}\n`);
const command = (ref: string): Buffer => packet(`${zeroOid} ${"1".repeat(40)} ${ref}`);
/** The payload of the longest packet. */
const LONGEST = 65_516;

/** Each exceeds a limit of the server; none is accepted. */
export const gitFloods = {
  /** A small body: 256 MiB of valid lines. */
  zippedWants: {
    service: "upload-pack",
    isZipped: true,
    body: (target) => zipped(Buffer.alloc(0), want(target), 256 * MEBIBYTE),
  },
  /** A small body: 256 MiB of the longest packets. */
  zippedPackets: {
    service: "upload-pack",
    isZipped: true,
    body: () => zipped(Buffer.alloc(0), packet("x".repeat(LONGEST)), 256 * MEBIBYTE),
  },
  /** A hundred megabytes of valid lines. */
  wants: {
    service: "upload-pack",
    body: (target) => repeat(Buffer.concat([...repeat(want(target), 1000)]), 2000),
  },
  /** A hundred megabytes of the longest packets: unknown lines. */
  longPackets: {
    service: "upload-pack",
    body: () => repeat(packet("x".repeat(LONGEST)), 1600),
  },
  /** 300,000 haves that differ from each other: 15 MB. */
  haves: {
    service: "upload-pack",
    *body(target) {
      yield want(target);
      yield Buffer.from("0000");
      for (let block = 0; block < 600; block += 1) {
        const lines = Array.from({ length: 500 }, (_none, index) =>
          packet(`have ${(block * 500 + index).toString(16).padStart(40, "0")}\n`),
        );
        yield Buffer.concat(lines);
      }
      yield packet("done\n");
    },
  },
  /** A small body: 256 MiB of commands. */
  zippedCommands: {
    service: "receive-pack",
    isZipped: true,
    body: () => zipped(Buffer.alloc(0), command("refs/heads/x"), 256 * MEBIBYTE),
  },
  /** A small body: a pack of 256 MiB. */
  zippedPack: {
    service: "receive-pack",
    isZipped: true,
    body: () =>
      zipped(
        Buffer.concat([command("refs/heads/x\0report-status"), Buffer.from("0000PACK")]),
        Buffer.alloc(MEBIBYTE),
        256 * MEBIBYTE,
      ),
  },
  /** 260 MB of names. */
  longCommands: {
    service: "receive-pack",
    body: () => repeat(command(`refs/heads/${"x".repeat(LONGEST - 100)}`), 4000),
  },
} as const satisfies Record<string, GitFlood>;

interface FloodAnswer {
  status: number;
  text: string;
}

/**
 * Sends a flood and returns the answer, also where the server stops reading before.
 * @param headers as for `User-Agent: git/2.47.3`, which gets its answers in git's protocol
 */
export function sendGitFlood(
  target: FloodTarget,
  { service, isZipped, body }: GitFlood,
  headers: Record<string, string> = {},
): Promise<FloodAnswer> {
  return new Promise((resolve, reject) => {
    const client = httpRequest(`${target.cloneUrl}/git-${service}`, {
      method: "POST",
      agent: false,
      headers: {
        authorization: `Bearer ${target.key}`,
        "content-type": `application/x-git-${service}-request`,
        ...(isZipped && { "content-encoding": "gzip" }),
        ...headers,
      },
    });
    client.on("error", reject);
    client.on("response", (response) => {
      text(response).then(
        (answer) => resolve({ status: response.statusCode ?? 0, text: answer }),
        reject,
      );
    });
    Readable.from(body(target), { objectMode: false }).pipe(client);
  });
}
