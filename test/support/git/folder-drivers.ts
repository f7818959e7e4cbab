import { rm } from "node:fs/promises";
import { describe } from "vitest";
import { isMounted, unmount } from "#git/worktree/mounts.js";
import { probeOverlay } from "#git/worktree/probe-overlay.js";

/** The folder drivers as in the setting. */
export const folderDrivers = ["checkout", "overlay"] as const;
export type FolderDriverName = (typeof folderDrivers)[number];

const missing = await probeOverlay("overlay");

/**
 * Runs a suite with each folder driver; skips it, with the reason, if a driver does not work here.
 */
export function describeEachDriver(name: string, suite: (driver: FolderDriverName) => void): void {
  for (const driver of folderDrivers) {
    const reason = driver === "overlay" ? missing : null;
    const title = `${name}, with ${driver}${reason === null ? "" : ` (${reason})`}`;
    describe.skipIf(reason !== null)(title, () => suite(driver));
  }
}

/** Removes a folder, which otherwise only an operator can do. */
export async function deleteFolder(folder: string): Promise<void> {
  if (await isMounted(folder)) await unmount(folder);
  await rm(folder, { recursive: true });
}
