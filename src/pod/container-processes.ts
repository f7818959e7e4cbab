/** The processes of this container. The agent or its reaper is the first one of a PID namespace. */
import { readdirSync, readFileSync } from "node:fs";

interface FoundProcess {
  pid: number;
  parent: number;
  isZombie: boolean;
}

/** Whether this process is the first of its PID namespace, or was started by it. Others must not end all processes. */
export const isInContainer = (): boolean => process.pid === 1 || process.ppid === 1;

/** All processes but the first one and this one. */
function listProcesses(): FoundProcess[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!/^\d+$/.test(name) || pid === 1 || pid === process.pid) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // The name, in parentheses, may contain any character.
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid, parent: Number(parent), isZombie: state === "Z" || state === "X" }];
    } catch {
      return []; // It has ended.
    }
  });
}

/** Whether a process other than the first one and this one is alive. */
export const hasOthers = (): boolean => listProcesses().some(({ isZombie }) => !isZombie);

/** Sends a signal to every process but the first one and this one: none of them can be missed. */
export const signalAll = (name: NodeJS.Signals): void => send(-1, name);

/** Sends a signal to the group of a process and to its descendants. */
export function signalTree(root: number, name: NodeJS.Signals): void {
  const all = listProcesses();
  const tree = new Set([root]);
  for (let size = 0; size < tree.size;) {
    size = tree.size;
    for (const { pid, parent } of all) if (tree.has(parent)) tree.add(pid);
  }
  send(-root, name);
  for (const pid of tree) send(pid, name);
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // None is left.
  }
}
