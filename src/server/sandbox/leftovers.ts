import { readFileSync } from "node:fs";
import { allPids, isAlive, signal } from "./processes.js";

/**
 * Kills the sandboxes of servers that are gone. Each bubblewrap process names its server in its
 * arguments; with the first process of a sandbox all others in it end. Sandboxes die with their
 * server by themselves, but for one that was just being started.
 */
export function endLeftovers(ownMarker: string): void {
  for (const pid of allPids()) {
    let words: string[];
    try {
      words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    } catch {
      continue;
    }
    const marker = words.find((word) => word.startsWith("omoi-sandbox:"));
    const match = /^(omoi-sandbox:(\d+):(\d+)):/.exec(marker ?? "");
    if (match === null || match[1] === ownMarker) continue;
    const server = { pid: Number(match[2]), startTime: match[3] as string };
    if (!isAlive(server)) signal(pid, "SIGKILL");
  }
}
