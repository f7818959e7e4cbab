/** Measures deleted files that still use disk space because a process holds them open. */
import { readdirSync } from "node:fs";
import { readTool } from "../launch.js";
import { readProcess } from "../processes.js";

/** Bytes on disk, and the number of files and folders. */
export interface DiskUse {
  bytes: number;
  files: number;
}

/** Folders of /proc per call of find(1) or grep(1), well below the argument limit. */
const BATCH = 5000;

/**
 * Measures the deleted files of one file system that these processes have open or mapped. The
 * result is incomplete if descriptors are in flight between sockets, which the kernel counts but
 * does not list, or if a mapping cannot be inspected: only root can, and only while the first
 * thread lives.
 * @param dev the device number, as in `Stats`
 */
export async function measureDeletedFiles(
  pids: readonly number[],
  dev: number,
): Promise<DiskUse & { isComplete: boolean }> {
  const isRoot = process.getuid?.() === 0;
  const files: string[] = [];
  const sockets: string[] = [];
  const maps: string[] = [];
  for (const pid of pids) {
    const tasks = tasksOf(pid);
    // Threads can have separate descriptor tables.
    for (const task of tasks) {
      files.push(`/proc/${pid}/task/${task}/fd`);
      sockets.push(`/proc/${pid}/task/${task}/fdinfo`);
    }
    const last = tasks.at(-1);
    if (isRoot && readProcess(pid)?.state !== "Z") files.push(`/proc/${pid}/map_files`);
    else if (last !== undefined) maps.push(`/proc/${pid}/task/${last}/maps`);
  }
  const [found, inFlight, mapped] = await Promise.all([
    findDeleted(files, dev),
    matches(["-r", "^scm_fds:[[:space:]]*[1-9]"], sockets),
    matches([` ${deviceText(dev)} [0-9]+ .*\\(deleted\\)$`], maps),
  ]);
  return { ...found, isComplete: !inFlight && !mapped };
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // It has ended.
  }
}

async function findDeleted(folders: readonly string[], dev: number): Promise<DiskUse> {
  const blocks = new Map<string, number>();
  const tests = ["-maxdepth", "1", "-type", "f", "-links", "0", "-printf", "%D %i %b\n"];
  for (const batch of batches(folders)) {
    const { stdout } = await readTool(["find", "-L", ...batch, ...tests]);
    for (const line of stdout.split("\n")) {
      const [device, inode = "", count] = line.split(" ");
      if (Number(device) === dev) blocks.set(inode, Number(count));
    }
  }
  const sum = [...blocks.values()].reduce((total, count) => total + count, 0);
  return { bytes: 512 * sum, files: blocks.size };
}

/** Tells whether a line matches in these files, or in files of these folders. */
async function matches(pattern: readonly string[], paths: readonly string[]): Promise<boolean> {
  for (const batch of batches(paths)) {
    const { exitCode } = await readTool(["grep", "-qsE", ...pattern, "--", ...batch]);
    if (exitCode === 0) return true;
  }
  return false;
}

function batches(paths: readonly string[]): string[][] {
  const found: string[][] = [];
  for (let at = 0; at < paths.length; at += BATCH) found.push(paths.slice(at, at + BATCH));
  return found;
}

/** Formats a device number as in /proc/<pid>/maps (encoding of makedev(3)). */
function deviceText(dev: number): string {
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  return [major, minor].map((part) => part.toString(16).padStart(2, "0")).join(":");
}
