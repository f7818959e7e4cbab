/** Lists and removes leftovers of test files besides processes. On other systems than Linux the lists are empty. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Parts of a network: the folder that lists them, and the command that removes one. Rules go with their namespace. */
const NETWORK = {
  namespace: { folder: "/run/netns", remove: ["netns", "delete"] },
  device: { folder: "/sys/class/net", remove: ["link", "delete"] },
};

/** Folders that tsx, jiti, Node.js and opencode keep between their starts. */
const CACHES = /^(?:tsx-\d+|jiti|node-compile-cache|opencode)$/;

/**
 * Removes those of a file's parts of a network that are left, and returns a line for each.
 * @param {{ kind: "namespace" | "device", name: string }[]} parts
 */
export function removeParts(parts) {
  const left = [];
  for (const { kind, name } of parts) {
    const { folder, remove } = NETWORK[kind];
    if (!existsSync(join(folder, name))) continue;
    run("ip", ...remove, name);
    left.push(`a network ${kind}: ${name}`);
  }
  return left;
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
