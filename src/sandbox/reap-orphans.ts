import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { allPids, isAlive, ownerOf, signal } from "./processes.js";

const MARKER = "omoi-sandbox:";

/** Returns the argument by which a sandbox identifies its server (`resourceName`). */
export function markerOf(name: string): string {
  return MARKER + name;
}

/**
 * Kills the sandboxes of dead servers of this data folder, through the first process of each. They
 * die with their server, unless its launcher was killed, too.
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

/** Removes folders of dead servers, named by `resourceName`. */
export function removeOrphanFolders(parent: string): void {
  let names: string[];
  try {
    names = readdirSync(parent);
  } catch {
    return;
  }
  for (const name of names) {
    // Including those of a copied data folder.
    const server = ownerOf(name, null);
    if (server !== null && !isAlive(server)) {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}
