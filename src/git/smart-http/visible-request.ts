/** Validates clone and fetch requests of clients that may read only a part of a repository. */
import { createInterface } from "node:readline";
import { assertOid } from "../objects/oid.js";
import { readObjects } from "../objects/object-reader.js";
import {
  FLUSH,
  type PacketLimits,
  pktLine,
  PktLineError,
  PktLineReader,
  RequestLimitError,
} from "./pkt-line.js";
import { spawnGit } from "../process/run.js";

/**
 * Maximum lines per request: a client negotiates in rounds, and the last one repeats all common
 * commits.
 */
export const MAX_LINES = 200_000;

export const REQUEST_LIMITS = {
  /** The longest line is a `want` with capabilities, of which git sends about 200 bytes. */
  packet: 1024,
  /** `MAX_LINES` of `shallow <id>`, with 53 bytes each. */
  all: 12 * 1024 * 1024,
} as const satisfies PacketLimits;

const WALK_MS = 60_000;

/** A client wants an object that it may not read, or that does not exist. */
export class NotOurRefError extends Error {
  override readonly name = "NotOurRefError";
  /** The same reply as from git's own upload-pack. */
  readonly answer: Buffer;

  constructor(oid: string) {
    super(`not our ref ${oid}`);
    this.answer = pktLine(`ERR upload-pack: not our ref ${oid}`);
  }
}

/** The lines of protocol version 0 without filters; git also takes ids in uppercase. */
const LINE = /^(?:(?:want|have|shallow) [0-9a-f]{40}(?: [^\n]*)?|deepen(?:-since)? \d+|done)\n?$/;

/**
 * Reads a protocol version 0 request and checks the named objects against the visible ones: the
 * tips, HEAD, and the commits that they reach. upload-pack itself would serve a hidden tree or file
 * by id (over HTTP it checks only commits for reachability) and acknowledge any object that a
 * client claims to have. Claims about hidden objects are removed.
 * @returns the request in pieces
 * @throws NotOurRefError if a hidden object is wanted
 * @throws PktLineError for a malformed request, and for `deepen-not`, which names arbitrary
 *   references
 * @throws RequestLimitError beyond `MAX_LINES` and `REQUEST_LIMITS`
 */
export async function visibleRequest(
  repoPath: string,
  body: AsyncIterable<Buffer>,
  tips: readonly string[],
): Promise<Iterable<Buffer>> {
  const { frames, named: hidden } = await readRequest(body);
  const [head] = await readObjects(repoPath, ["HEAD^{commit}"], "info");
  const visibleTips = head ? [...tips, head.oid] : tips;
  for (const tip of visibleTips) hidden.delete(tip);
  await removeReached(repoPath, visibleTips, hidden);
  return hidden.size === 0 ? [frames] : withoutHidden(frames, hidden);
}

/** Returns the packets of a request in one buffer, which takes less memory, and the ids in them. */
async function readRequest(
  body: AsyncIterable<Buffer>,
): Promise<{ frames: Buffer; named: Set<string> }> {
  const reader = new PktLineReader(body, REQUEST_LIMITS);
  const named = new Set<string>();
  let frames = Buffer.alloc(0);
  let length = 0;
  for (let count = 0; !(await reader.isAtEnd()); count += 1) {
    if (count === MAX_LINES) {
      throw new RequestLimitError(
        `The request names more than ${MAX_LINES} refs and commits; fetch fewer at once.`,
      );
    }
    const line = await reader.next();
    if (line !== null && !LINE.test(line.toString("latin1")))
      throw new PktLineError("unexpected line");
    const oid = line && oidOf(line);
    if (oid) named.add(oid);
    const frame = line === null ? FLUSH : pktLine(line);
    if (length + frame.length > frames.length) {
      frames = Buffer.concat([frames], Math.max(65_536, 2 * frames.length));
    }
    length += frame.copy(frames, length);
  }
  return { frames: frames.subarray(0, length), named };
}

/** Returns the id that a line begins with, after the verb. */
function oidOf(line: Buffer): string | null {
  const at = line.indexOf(" ") + 1;
  return line[0] === DEEPEN || at === 0 ? null : line.toString("latin1", at, at + 40);
}

const DEEPEN = "d".charCodeAt(0);
const WANT = "w".charCodeAt(0);

/** @throws NotOurRefError if a hidden object is wanted */
function withoutHidden(frames: Buffer, hidden: ReadonlySet<string>): Buffer[] {
  const kept: Buffer[] = [];
  let from = 0;
  for (let at = 0, next = 0; at < frames.length; at = next) {
    const length = Number.parseInt(frames.toString("latin1", at, at + 4), 16);
    next = at + Math.max(length, 4);
    const line = frames.subarray(at + 4, next);
    const oid = oidOf(line);
    if (oid === null || !hidden.has(oid)) continue;
    if (line[0] === WANT) throw new NotOurRefError(oid);
    kept.push(frames.subarray(from, at));
    from = next;
  }
  return [...kept, frames.subarray(from)];
}

/** Removes the commits that the tips reach from the set. */
async function removeReached(
  repoPath: string,
  tips: readonly string[],
  ids: Set<string>,
): Promise<void> {
  if (ids.size === 0) return;
  for (const oid of tips) assertOid(oid);
  const input = [...tips, ""].join("\n");
  const child = spawnGit(["rev-list", "--stdin"], {
    gitDir: repoPath,
    input,
    timeoutMs: WALK_MS,
    background: true,
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      ids.delete(line);
      if (ids.size === 0) return;
    }
    await child.done;
  } finally {
    child.kill();
  }
}
