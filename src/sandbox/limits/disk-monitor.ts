/** Monitors the disk usage of a workspace and a home, including deleted files that are still open. */
import { lstatSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { measureDeletedFiles, type DiskUse } from "./deleted-files.js";
import { readTool } from "../launch.js";
import { repeat, type Watch } from "../repeat.js";

export type { DiskUse } from "./deleted-files.js";

export type DiskLimits = { [Name in keyof DiskUse]: number | null };

/**
 * Calls `onOver` once the folders together exceed the limits. Measures fully at first, then only after the
 * free space of a file system shrank enough for an overrun, and occasionally, in case other
 * writers freed space; at most a quarter of the time.
 * @param pids returns all current processes of the run
 */
export function monitorDisk(
  folders: readonly string[],
  limits: DiskLimits,
  pids: () => number[],
  onOver: (what: keyof DiskUse) => void,
): Watch {
  const devices = [...new Set(folders.map((folder) => lstatSync(folder).dev))];
  let used: DiskUse = { bytes: 0, files: 0 };
  let freeThen: DiskUse[] = folders.map(() => ({ bytes: 0, files: 0 }));
  let measuredAt = -Infinity;
  let tookMs = 0;
  return repeat(200, async () => {
    const free = await Promise.all(folders.map(freeOn));
    // The folders usually share a file system, and then see the same free space.
    const lost = (what: keyof DiskUse): number =>
      Math.max(0, ...free.map((now, index) => (freeThen[index]?.[what] ?? 0) - now[what]));
    const most = { bytes: used.bytes + lost("bytes"), files: used.files + lost("files") };
    const age = performance.now() - measuredAt;
    const isDue = age > Math.max(10_000, 20 * tookMs);
    const isSuspicious = overrunOf(most, limits) !== null && age > 3 * tookMs;
    if (!isDue && !isSuspicious) return;
    const started = performance.now();
    const members = pids();
    const parts = await Promise.all([
      ...folders.map(measureFolder),
      ...devices.map((dev) => measureDeletedFiles(members, dev)),
    ]);
    const sum = (what: keyof DiskUse): number =>
      parts.reduce((total, part) => total + part[what], 0);
    used = { bytes: sum("bytes"), files: sum("files") };
    // The unreadable part is at most the space that the file system lost.
    if (parts.some(({ isComplete }) => !isComplete)) {
      used = {
        bytes: Math.max(used.bytes, most.bytes),
        files: Math.max(used.files, most.files),
      };
    }
    freeThen = free;
    measuredAt = performance.now();
    tookMs = measuredAt - started;
    const over = overrunOf(used, limits);
    if (over !== null) onOver(over);
  });
}

async function freeOn(folder: string): Promise<DiskUse> {
  const { bsize, bfree, ffree } = await statfs(folder);
  return { bytes: bsize * bfree, files: ffree };
}

function overrunOf(use: DiskUse, limits: DiskLimits): keyof DiskUse | null {
  if (limits.bytes !== null && use.bytes > limits.bytes) return "bytes";
  return limits.files !== null && use.files > limits.files ? "files" : null;
}

/**
 * Measures a folder with du(1), which follows no links and works at any depth. A du that cannot
 * count files (BusyBox) counts none.
 * @throws Error if it reports no size
 */
export async function measureFolder(folder: string): Promise<DiskUse & { isComplete: boolean }> {
  const [bytes, files] = await Promise.all([
    readTool(["du", "-skx", "--", folder]),
    readTool(["du", "-sx", "--inodes", "--", folder]),
  ]);
  const numberIn = (text: string): number => Number(/^(\d+)\s/.exec(text)?.[1] ?? Number.NaN);
  const kibibytes = numberIn(bytes.stdout);
  if (Number.isNaN(kibibytes)) throw new Error("du reported no size");
  return {
    bytes: 1024 * kibibytes,
    files: numberIn(files.stdout) || 0,
    isComplete: bytes.exitCode === 0,
  };
}
