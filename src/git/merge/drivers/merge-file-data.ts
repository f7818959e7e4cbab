/** The driver `json`: merges the data of a file. */
import { readObjects } from "../../objects/object-reader.js";
import { looseObject, writeObject } from "../../objects/loose-object.js";
import type { DataMerger } from "./data/data-merger.js";
import { byLines, type DriverResult } from "./applied-drivers.js";
import type { Candidate } from "./find-candidates.js";

/** Maximum characters of a key, and number of keys, in the reason of a conflict. */
const KEY_LENGTH = 60;
const MAX_KEYS = 6;

/**
 * Merges the data of a file; null if that exceeds the limits of time or memory.
 * @throws GitError
 */
export async function mergeFileData(
  repoPath: string,
  { path, base, target, source }: Candidate,
  merger: DataMerger,
): Promise<DriverResult | null> {
  const oids = [target.oid, source.oid, ...(base ? [base.oid] : [])];
  const [into, from, before] = await readObjects(repoPath, oids, "contents");
  if (!into?.content || !from?.content) throw new Error(`the blobs of ${path} are missing`);
  const merged = await merger.merge({
    name: path.slice(path.lastIndexOf("/") + 1),
    base: before?.content ?? null,
    target: into.content,
    source: from.content,
  });
  if (merged === null) return null;
  if (merged.result === "lines") return byLines(merged.reason);
  if (merged.result === "conflict") {
    return { result: "conflict", reason: `json: ${conflictText(merged.keys)}` };
  }
  const blob = looseObject("blob", Buffer.from(merged.bytes));
  return { result: "merged", oid: await writeObject(repoPath, blob) };
}

function conflictText(keys: readonly string[]): string {
  if (keys.length === 0) return "both sides changed the whole file.";
  const shown = keys.slice(0, MAX_KEYS).map((key) => {
    const text = key.replaceAll(/[\p{C}\p{Z}]+/gu, " ");
    return text.length > KEY_LENGTH ? `${Array.from(text).slice(0, KEY_LENGTH).join("")}…` : text;
  });
  const more = keys.length > MAX_KEYS ? " › …" : "";
  return `both sides changed "${shown.join(" › ")}${more}".`;
}
