/** Lists and removes leftovers of test files besides processes. On other systems than Linux the lists are empty. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Parts of a network, by the folder that lists them, and the command that removes one. Rules go with their namespace. */
const NETWORK = [
  { what: "a network namespace", folder: "/run/netns", remove: ["netns", "delete"] },
  { what: "a network device", folder: "/sys/class/net", remove: ["link", "delete"] },
];

/** Folders that tsx, Node.js and opencode keep between their starts. */
const CACHES = /^(?:tsx-\d+|node-compile-cache|opencode)$/;

/** Records which files ran when a part of a network was first seen: one of them made it. */
export class NetworkParts {
  /** @type {Map<string, Set<string>>} */
  #makers = new Map();

  /** @param {Iterable<string>} files those that run or have just ended; none before the first one */
  look(files) {
    for (const part of listNetworkParts())
      if (!this.#makers.has(part.path)) this.#makers.set(part.path, new Set(files));
  }

  /**
   * Removes the parts that one of the ended files made, and returns a line for each.
   * @param {string} file one that has ended
   * @param {string[]} others those that run
   */
  take(file, others) {
    const left = [];
    for (const { path, line, name, remove } of listNetworkParts()) {
      const makers = this.#makers.get(path);
      if (!makers?.has(file) || others.some((other) => makers.has(other))) continue;
      run("ip", ...remove, name);
      this.#makers.delete(path);
      left.push(makers.size === 1 ? line : `${line}, or ${makers.size - 1} files beside it did`);
    }
    return left;
  }
}

/** Detaches the mounts below a folder, removes what is in it, and returns a line for each. The folder stays. */
export function emptyFolder(folder) {
  const mounts = mountsBelow(folder);
  // Each mount makes every later sandbox slower, which copies the list of mounts.
  for (const path of mounts.toReversed()) run("umount", "--lazy", path);
  const names = namesIn(folder);
  for (const name of names) remove(join(folder, name));
  return [
    ...mounts.map((path) => `a mount: ${path}`),
    ...names.filter((name) => !CACHES.test(name)).map((name) => `a file: ${name}`),
  ];
}

/** Returns the parts with a name that the product or a test gave. */
function listNetworkParts() {
  return NETWORK.flatMap(({ what, folder, remove }) =>
    namesIn(folder)
      .filter((name) => name.startsWith("omoi"))
      .map((name) => ({ name, path: join(folder, name), line: `${what}: ${name}`, remove })),
  );
}

/** The innermost stand last. */
function mountsBelow(folder) {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .filter((path) => path.startsWith(`${folder}/`));
  } catch {
    return [];
  }
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function remove(path) {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    run("rm", "-rf", path); // Attacks leave paths that are too long for Node.
  }
}

function run(program, ...args) {
  spawnSync(program, args, { stdio: "ignore" });
}
