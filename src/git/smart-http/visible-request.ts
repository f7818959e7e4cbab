/** The request of a clone or fetch by a client that may read a part of a store only. */
import { createInterface } from "node:readline";
import { assertOid } from "../store/bare-repository.js";
import { readObjects } from "../objects/object-reader.js";
import { FLUSH, pktLine, PktLineError, PktLineReader } from "./pkt-line.js";
import { spawnGit } from "../process/run.js";

/** Lines of one request: a client names commits in rounds, of which the last holds all that were common. */
const MAX_LINES = 200_000;
const WALK_MS = 60_000;

/** A client wants an object that it may not read, or that does not exist. */
export class NotOurRefError extends Error {
  override readonly name = "NotOurRefError";
  /** The answer of git's own upload-pack. */
  readonly answer: Buffer;

  constructor(oid: string) {
    super(`not our ref ${oid}`);
    this.answer = pktLine(`ERR upload-pack: not our ref ${oid}`);
  }
}

/**
 * Reads a request of protocol version 0 whole and checks the objects that it names: the tips, HEAD, and the
 * commits that they reach, are visible. upload-pack itself would give a hidden tree or file to whoever wants
 * its id (over HTTP it asks only whether commits are reachable), and acknowledge each object that a client
 * says to have. What is said of objects that are not visible is left out.
 * @throws NotOurRefError where one is wanted; PktLineError for what is no such request, also for a
 *   `deepen-not`, which names any reference
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
  const shown = head ? [...tips, head.oid] : tips;
  for (const tip of shown) hidden.delete(tip);
  await removeReached(repoPath, shown, hidden);
  const wanted = lines.find(({ verb, oid }) => verb === "want" && oid && hidden.has(oid));
  if (wanted?.oid !== undefined) throw new NotOurRefError(wanted.oid);
  const kept = lines.filter(({ oid }) => oid === undefined || !hidden.has(oid));
  return Buffer.concat(kept.map(({ frame }) => frame));
}

/** Removes from the ids the commits that the tips reach. */
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
