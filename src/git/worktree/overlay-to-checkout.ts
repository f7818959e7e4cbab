/** Overlays that become folders of plain files, where nothing is to be mounted any more. */
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  temporaryName,
  createDirectoryAtomically,
  exists,
  flushToDisk,
  removeTree,
} from "./atomic-directory.js";
import type { FolderPlaces } from "./folder-driver.js";
import { isMountAlive, unmount } from "./mounts.js";
import { isOverlay, removeLayersAside, restoreMount } from "./overlay-driver.js";
import { runSystem } from "../process/system-command.js";

const COPY_MS = 60 * 60_000;

/**
 * Makes an overlay's folder one of plain files, with all that is in it: saved or not, ignored or not. It
 * is read as it is mounted, so that nothing of how the layers are kept has to be understood. May be
 * called again from any point at which it was cut off; a folder of plain files is left as it is.
 *
 * The overlay stays what counts until the copy is whole and on the disk; a mark in it says that a copy is
 * in place. Throws a MountError where the
 * folder cannot be mounted once more, or what the system says (no space): then it is as it was before.
 * No process of the agent may be alive, and nobody else may mount it.
 */
export async function overlayToCheckout(places: FolderPlaces): Promise<void> {
  const { folder, overlay, indexFile } = places;
  if (await isOverlay(places)) {
    const mark = join(overlay, "written-out");
    // A copy that was not renamed yet lies beside the folder.
    const hasCopy = (await exists(mark)) && !(await exists(temporaryName(folder, "creating")));
    const isMounted = await isMountAlive(folder);
    if (!hasCopy || isMounted) {
      await unmount(folder);
      await rm(mark, { force: true });
      // Somebody mounted it over the copy: what was written since counts.
      if (hasCopy) await removeTree(folder);
      await writeOut(places, mark);
    }
    // It would be missing what was committed meanwhile (ingest.ts makes another).
    await removeTree(indexFile);
    await removeLayersAside(places);
    await rename(overlay, temporaryName(overlay, "removing"));
  }
  await removeLayersAside(places);
}

/** Puts a copy of the mounted folder in its place; `mark` appears just before. */
async function writeOut({ folder, overlay }: FolderPlaces, mark: string): Promise<void> {
  await restoreMount(overlay, folder);
  await createDirectoryAtomically(folder, async (aside) => {
    await runSystem("cp", ["-a", "--", `${folder}/.`, aside], { timeoutMs: COPY_MS });
    await flushToDisk(aside);
    await unmount(folder);
    await writeFile(mark, "", { flush: true });
  });
}
