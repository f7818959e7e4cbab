import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { allPids, isAlive, ownerOf, signal } from "./processes.js";

const MARKER = "omoi-sandbox:";

/** The argument by which a sandbox names the server that it belongs to (`nameFor`). */
export function markerOf(name: string): string {
  return MARKER + name;
}

/**
 * Kills the sandboxes of servers of this data folder that are gone: with the first process of a sandbox all others in it
 * end. They die with their server by themselves, but for one that was just being started.
 */
export function reapOrphans(dataDir: string): void {
  for (const pid of allPids()) {
    let words: string[];
    try {
      words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    } catch {
      continue;
    }
    const marker = words.find((word) => word.startsWith(MARKER));
    const server = ownerOf(marker?.slice(MARKER.length) ?? "", dataDir);
    if (server !== null && !isAlive(server)) signal(pid, "SIGKILL");
  }
}

/** Removes what servers that are gone kept in folders there, named by `nameFor`. */
export function removeOrphanFolders(parent: string): void {
  let names: string[];
  try {
    names = readdirSync(parent);
  } catch {
    return;
  }
  for (const name of names) {
    // Those of a folder that was copied are here as well.
    const server = ownerOf(name, null);
    if (server !== null && !isAlive(server)) {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}
