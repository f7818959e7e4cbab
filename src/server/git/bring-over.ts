/** Overlays that become folders of plain files, where nothing is to be mounted any more. */
import { rename } from "node:fs/promises";
import { asideName, buildAside, flushToDisk } from "./build-aside.js";
import type { FolderPlaces } from "./folder.js";
import { unmount } from "./mounts.js";
import { isOverlay, removeLayersAside, restoreMount } from "./overlay.js";
import { runSystem } from "./system-command.js";

const COPY_MS = 60 * 60_000;

/**
 * Makes an overlay's folder one of plain files, with all that is in it: saved or not, ignored or not. It
 * is read as it is mounted, so that nothing of how the layers are kept has to be understood. May be
 * called again from any point at which it was cut off; a folder of plain files is left as it is.
 *
 * The overlay stays what counts until the copy is whole and on the disk. Throws a MountError where the
 * folder cannot be mounted once more, or what the system says (no space): then it is as it was before.
 * No process of the agent may be alive, and nobody else may mount it.
 */
export async function bringOver(places: FolderPlaces): Promise<void> {
  const { folder, overlay } = places;
  if (await isOverlay(places)) {
    await restoreMount(overlay, folder);
    await buildAside(folder, async (aside) => {
      await runSystem("cp", ["-a", "--", `${folder}/.`, aside], { timeoutMs: COPY_MS });
      await flushToDisk(aside);
      await unmount(folder);
    });
    await rename(overlay, asideName(overlay, "removing"));
  }
  await removeLayersAside(places);
}
