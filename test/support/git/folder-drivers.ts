import { rm } from "node:fs/promises";
import { describe } from "vitest";
import { isThorough } from "../thorough.js";
import { isMounted, overlayKinds, unmount } from "#git/worktree/mounts.js";
import { probeOverlay } from "#git/worktree/probe-overlay.js";

/** The folder drivers as in the setting. */
export const folderDrivers = ["checkout", "overlay"] as const;
export type FolderDriverName = (typeof folderDrivers)[number];

/** Why no kind of overlay works here; null if the server finds one. */
const missing = await (async () => {
  const reasons: string[] = [];
  for (const kind of overlayKinds) {
    const reason = await probeOverlay(kind);
    if (reason === null) return null;
    reasons.push(`${kind}: ${reason}`);
  }
  return reasons.join("; ");
})();

/**
 * Runs a suite with each folder driver; skips it, with the reason, if a driver does not work here. Without
 * privileges, overlays are mounted by fuse-overlayfs, which has to be able to rename folders.
 */
export function describeEachDriver(name: string, suite: (driver: FolderDriverName) => void): void {
  for (const driver of folderDrivers) {
    const reason = driver === "overlay" ? missing : null;
    const title = `${name}, with ${driver}${reason === null ? "" : ` (${reason})`}`;
    describe.skipIf(reason !== null)(title, () => suite(driver));
  }
}

/** Like `describeEachDriver`, with overlays alone where they work unless THOROUGH=1. */
export function describeMainDriver(name: string, suite: (driver: FolderDriverName) => void): void {
  if (isThorough) return describeEachDriver(name, suite);
  const driver = missing === null ? "overlay" : "checkout";
  describe(`${name}, with ${driver}`, () => suite(driver));
}

/** Removes a folder, which otherwise only an operator can do. */
export async function deleteFolder(folder: string): Promise<void> {
  if (await isMounted(folder)) await unmount(folder);
  await rm(folder, { recursive: true });
}
