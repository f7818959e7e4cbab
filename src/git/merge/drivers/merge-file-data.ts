/** The driver `json`: merges the data of a file. */
import { readObjects } from "../../objects/object-reader.js";
import { looseObject, writeObject } from "../../objects/loose-object.js";
import type { DataMerges } from "./data/data-merges.js";
import type { DataMerge } from "./data/merge-data.js";
import { byLines, type DriverResult } from "./applied-drivers.js";
import type { Candidate } from "./find-candidates.js";

/** Maximum characters of a key, and number of keys, in the reason of a conflict. */
const KEY_LENGTH = 60;
const MAX_KEYS = 6;

/** How the data of files is merged. */
export interface DataOptions {
  data: DataMerges;
  /** Whether the caller may wait for its organization's turn. */
  waits: boolean;
}

/**
 * Merges the data of a file; null if that exceeds the limits of time or memory.
 * @param bytes the size of all versions
 * @throws GitError, MergesUnavailableError, DataBusyError
 */
export async function mergeFileData(
  repoPath: string,
  { path, base, target, source }: Candidate,
  bytes: number,
  { data, waits }: DataOptions,
): Promise<DriverResult | null> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const oids = [target.oid, source.oid, ...(base ? [base.oid] : [])];
  const key = [repoPath, name, ...oids].join("\0");
  const known = data.results.get(key);
  if (known !== undefined) return known;
  const read = async () => {
    const [into, from, before] = await readObjects(repoPath, oids, "contents");
    if (!into?.content || !from?.content) throw new Error(`the blobs of ${path} are missing`);
    return { name, base: before?.content ?? null, target: into.content, source: from.content };
  };
  const merged = await data.merge({ bytes, read }, waits);
  const result = merged && (await resultOf(repoPath, merged));
  data.results.set(key, result);
  return result;
}

async function resultOf(repoPath: string, merged: DataMerge): Promise<DriverResult> {
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
