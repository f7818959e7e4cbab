/** Validates clone and fetch requests of clients that may read only a part of a repository. */
import { createInterface } from "node:readline";
import { assertOid } from "../store/bare-repository.js";
import { readObjects } from "../objects/object-reader.js";
import { FLUSH, pktLine, PktLineError, PktLineReader } from "./pkt-line.js";
import { spawnGit } from "../process/run.js";

/**
 * Maximum lines per request: a client negotiates in rounds, and the last one repeats all common
 * commits.
 */
const MAX_LINES = 200_000;
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

/**
 * Reads a protocol version 0 request and checks the named objects against the visible ones: the
 * tips, HEAD, and the commits that they reach. upload-pack itself would serve a hidden tree or file
 * by id (over HTTP it checks only commits for reachability) and acknowledge any object that a
 * client claims to have. Claims about hidden objects are removed.
 * @throws NotOurRefError if a hidden object is wanted
 * @throws PktLineError for a malformed request, and for `deepen-not`, which names arbitrary
 *   references
 */
export async function visibleRequest(
  repoPath: string,
  body: AsyncIterable<Buffer>,
  tips: readonly string[],
): Promise<Buffer> {
  const reader = new PktLineReader(body);
  const lines: { frame: Buffer; verb: string | undefined; oid: string | undefined }[] = [];
  while (!(await reader.isAtEnd())) {
    if (lines.length === MAX_LINES) throw new PktLineError("too many lines");
    const line = await reader.next();
    const text = line?.toString("latin1") ?? "";
    if (text.startsWith("deepen-not ")) throw new PktLineError("deepen-not is not allowed here");
    const [, verb, oid] = /^(want|have|shallow) ([0-9a-f]{40})(?:[ \n]|$)/.exec(text) ?? [];
    lines.push({ frame: line === null ? FLUSH : pktLine(line), verb, oid });
  }
  const hidden = new Set(lines.flatMap(({ oid }) => oid ?? []));
  const [head] = await readObjects(repoPath, ["HEAD^{commit}"], "info");
  const visibleTips = head ? [...tips, head.oid] : tips;
  for (const tip of visibleTips) hidden.delete(tip);
  await removeReached(repoPath, visibleTips, hidden);
  const wanted = lines.find(({ verb, oid }) => verb === "want" && oid && hidden.has(oid));
  if (wanted?.oid !== undefined) throw new NotOurRefError(wanted.oid);
  const kept = lines.filter(({ oid }) => oid === undefined || !hidden.has(oid));
  return Buffer.concat(kept.map(({ frame }) => frame));
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
