/** Converts overlays to checkouts. */
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  temporaryName,
  createDirectoryAtomically,
  exists,
  flushToDisk,
  removeTree,
} from "../files/atomic-directory.js";
import type { WorktreePaths } from "./worktree-driver.js";
import { isMountAlive, unmount } from "./mounts.js";
import { isOverlay, removeLayersAside, restoreMount } from "./overlay-driver.js";
import { runSystem } from "../process/system-command.js";

const COPY_MS = 60 * 60_000;

/**
 * Converts an overlay to a folder of plain files with its entire content, saved or not, ignored or
 * not. The files are copied from the mount, so that the format of the layers does not matter.
 * Idempotent, and safe to repeat after an interruption at any point; a checkout stays as it is.
 *
 * The overlay stays authoritative until the copy is complete and on disk; then a marker in it
 * records that the copy is in place. No process of the agent may be running, and no other process
 * may mount the overlay.
 * @throws MountError if the overlay cannot be mounted, or the system error (no space); nothing has
 *   changed then
 */
export async function overlayToCheckout(places: WorktreePaths): Promise<void> {
  const { folder, overlay, indexFile } = places;
  if (await isOverlay(places)) {
    const mark = join(overlay, "written-out");
    // The temporary folder exists until the rename.
    const hasCopy = (await exists(mark)) && !(await exists(temporaryName(folder, "creating")));
    const isMounted = await isMountAlive(folder);
    if (!hasCopy || isMounted) {
      await unmount(folder);
      await rm(mark, { force: true });
      // The overlay was mounted over the copy: later writes went there.
      if (hasCopy) await removeTree(folder);
      await writeOut(places, mark);
    }
    // It may lack later commits; `takeSnapshot` creates a new one.
    await removeTree(indexFile);
    await removeLayersAside(places);
    await rename(overlay, temporaryName(overlay, "removing"));
  }
  await removeLayersAside(places);
}

/** Replaces the mount by a copy; `mark` appears just before. */
async function writeOut({ folder, overlay }: WorktreePaths, mark: string): Promise<void> {
  await restoreMount(overlay, folder);
  await createDirectoryAtomically(folder, async (aside) => {
    await runSystem("cp", ["-a", "--", `${folder}/.`, aside], { timeoutMs: COPY_MS });
    await flushToDisk(aside);
    await unmount(folder);
    await writeFile(mark, "", { flush: true });
  });
}
