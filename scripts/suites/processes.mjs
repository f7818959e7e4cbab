/** Finds processes on Linux by /proc (proc_pid_stat(5)). Elsewhere the lists are empty. */
import { readdirSync, readFileSync } from "node:fs";

/**
 * Returns all processes but zombies.
 * @returns {{ pid: number, parent: number, start: string, name: string }[]} `start` tells processes with one number apart
 */
export function listProcesses() {
  let names;
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names.flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const end = stat.lastIndexOf(")");
      const fields = stat.slice(end + 2).split(" ");
      if (fields[0] === "Z" || fields[0] === "X") return [];
      const name = stat.slice(stat.indexOf("(") + 1, end);
      return [{ pid: Number(pid), parent: Number(fields[1]), start: fields[19], name }];
    } catch {
      return []; // It ended meanwhile.
    }
  });
}

/** Returns a variable of the environment that a process was started with; undefined if it is not readable. */
function variableOf(pid, name) {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  } catch {
    return undefined;
  }
}

/** Returns the command line of a process, shortened. */
export function commandOf({ pid, name }) {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return (line || name).slice(0, 160);
  } catch {
    return name;
  }
}

/** Returns the processes below one of a list. */
export function descendantsOf(pid, processes) {
  const found = [];
  const below = new Set([pid]);
  // Parents may stand behind their children.
  for (let length = -1; length !== found.length;) {
    length = found.length;
    for (const one of processes) {
      if (!below.has(one.parent) || below.has(one.pid)) continue;
      below.add(one.pid);
      found.push(one);
    }
  }
  return found;
}

export function endProcesses(processes) {
  for (const { pid } of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

/**
 * Programs that the test files of a worker share and that end with it: the browser, helpers of the server, and git
 * processes that serve a repository until they have been idle for seconds, which a busy worker measures late.
 */
const SHARED =
  /^\S*(?:chrom|esbuild)|^omoi-|(?:launcher|snapshot|data|message)-process|^git (?:cat-file --batch-command|update-ref --no-deref --stdin) /;
/** The helper that starts the commands of a file. */
const LAUNCHER = /omoi-launcher|launcher-process/;

/**
 * Records which test file each process belongs to: by SUITE_FILE in its environment, or else by the file that its
 * ancestor, a worker, ran when the process was first seen.
 */
export class ProcessOwners {
  /** @type {Map<string, string | null>} the file, or null for processes of the suite that no file started */
  #owners = new Map();
  #run;

  /** @param run the value of SUITE_RUN in the environment of the suite */
  constructor(run) {
    this.#run = run;
  }

  /**
   * Looks at all processes.
   * @param {Map<number, string>} workers the file that each worker runs or ran last, by its process number
   * @returns {(ReturnType<typeof listProcesses>[number] & { file: string | null })[]} those of the suite
   */
  look(workers) {
    const all = listProcesses();
    const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
    const found = [];
    for (const one of all) {
      const key = `${one.pid}:${one.start}`;
      if (!this.#owners.has(key)) this.#owners.set(key, this.#ownerOf(one, parents, workers));
      // Asked each time: between fork and exec a process has the command of its parent.
      if (workers.has(one.pid) || (workers.has(one.parent) && SHARED.test(commandOf(one))))
        this.#owners.set(key, null);
      const file = this.#owners.get(key);
      if (file !== undefined) found.push({ ...one, file });
    }
    return found;
  }

  #ownerOf(one, parents, workers) {
    if (workers.has(one.pid)) return null;
    const isOfRun = variableOf(one.pid, "SUITE_RUN") === this.#run;
    const ancestors = [one.pid];
    for (let at = one.parent; at > 1 && at !== undefined; at = parents.get(at)) ancestors.push(at);
    const worker = ancestors.find((pid) => workers.has(pid));
    if (worker === undefined) {
      if (!isOfRun) return undefined;
      return SHARED.test(commandOf(one)) ? null : (variableOf(one.pid, "SUITE_FILE") ?? null);
    }
    const below = ancestors.slice(0, ancestors.indexOf(worker));
    const child = commandOf({ pid: below.at(-1), name: "" });
    const isOfLauncher = below.length > 1 && LAUNCHER.test(child);
    if (SHARED.test(isOfLauncher ? commandOf(one) : child)) return null;
    if (isOfLauncher) return workers.get(worker);
    return variableOf(one.pid, "SUITE_FILE") ?? workers.get(worker);
  }
}
