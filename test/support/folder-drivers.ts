import { rm } from "node:fs/promises";
import { describe } from "vitest";
import { isMounted, unmount } from "#git/worktree/mounts.js";
import { probeOverlay } from "#git/worktree/probe-overlay.js";

/** How agents' folders can be made, as the setting says it. */
export const folderDrivers = ["checkout", "overlay"] as const;
export type FolderDriverName = (typeof folderDrivers)[number];

const missing = await probeOverlay("overlay");

/** A suite for each way in which folders are made; skipped, with the reason, where one does not work. */
export function describeFolders(name: string, suite: (driver: FolderDriverName) => void): void {
  for (const driver of folderDrivers) {
    const reason = driver === "overlay" ? missing : null;
    const title = `${name}, with ${driver}${reason === null ? "" : ` (${reason})`}`;
    describe.skipIf(reason !== null)(title, () => suite(driver));
  }
}

/** Takes the folder away, as nobody but the operator can. */
export async function loseFolder(folder: string): Promise<void> {
  if (await isMounted(folder)) await unmount(folder);
  await rm(folder, { recursive: true });
}
