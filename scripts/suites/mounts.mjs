import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";

/** Returns the mount points below the folder of temporary files, the innermost last; empty where /proc has none. */
export function listMounts() {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .filter((path) => path.startsWith(`${tmpdir()}/`));
  } catch {
    return [];
  }
}

/** Detaches mounts. Each one makes every later sandbox slower, which copies the list of mounts. */
export function detachMounts(paths) {
  for (const path of paths.toReversed()) spawnSync("umount", ["--lazy", path], { stdio: "ignore" });
}
