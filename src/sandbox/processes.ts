/** Reads processes from /proc (proc(5)). */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";

/** The identity of a process: pids are reused, but not with the same start time. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since boot. */
  startTime: string;
}

export interface ProcessRecord extends ProcessIdentity {
  parent: number;
  /** As in ps: `R`, `S`, `Z` (a zombie) … */
  state: string;
  cpuTicks: number;
  threads: number;
  residentPages: number;
}

/**
 * Returns a new unique name for external resources of a process. Pids are meaningful only to the
 * servers of one data folder: others may run in another PID namespace.
 */
export function resourceName({ pid, startTime }: ProcessIdentity, dataDir: string): string {
  return `${pid}-${startTime}-${randomBytes(4).toString("hex")}-${tagOf(dataDir)}`;
}

/**
 * Returns the process in a name made by `resourceName` for this data folder; otherwise null.
 * @param dataDir null: any
 */
export function ownerOf(name: string, dataDir: string | null): ProcessIdentity | null {
  const match = /^(\d+)-(\d+)-[0-9a-f]{8}(?:-([0-9a-f]{8}))?$/.exec(name);
  if (match === null || (dataDir !== null && match[3] !== tagOf(dataDir))) return null;
  return { pid: Number(match[1]), startTime: match[2] as string };
}

/** Identifies a data folder independent of path and container. */
function tagOf(dataDir: string): string {
  const { dev, ino } = statSync(dataDir, { bigint: true });
  return createHash("sha256").update(`${dev} ${ino}`).digest("hex").slice(0, 8);
}

/** Reads one process; null if it does not exist. */
export function readProcess(pid: number): ProcessRecord | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  // The name, in parentheses, may contain any character.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    state: fields[0] as string,
    parent: Number(fields[1]),
    cpuTicks: Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]),
    threads: Number(fields[17]),
    startTime: fields[19] as string,
    residentPages: Number(fields[21]),
  };
}

/** Tells whether the process is alive; a zombie is not. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const found = readProcess(pid);
  return found !== null && found.startTime === startTime && found.state !== "Z";
}

/** All descendants of `root`, without it. */
export function descendantsOf(root: number): ProcessRecord[] {
  const children = new Map<number, ProcessRecord[]>();
  for (const pid of allPids()) {
    const found = readProcess(pid);
    if (found === null) continue;
    const siblings = children.get(found.parent);
    if (siblings) siblings.push(found);
    else children.set(found.parent, [found]);
  }
  const found: ProcessRecord[] = [];
  const open = [root];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      open.push(child.pid);
    }
  }
  return found;
}

export function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Sends a signal; a missing process is not an error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
