/** Folders that are overlays: made in constant time, with an upper layer that lists what changed. */
import {
  copyFile,
  link,
  lchown,
  lstat,
  mkdir,
  readFile,
  readlink,
  rename,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import {
  temporaryName,
  createDirectoryAtomically,
  exists,
  removeLeftovers,
  removeTree,
} from "./atomic-directory.js";
import { checkOverlay, markOverlay } from "./copied-overlay.js";
import { measureTree } from "./disk-usage.js";
import {
  assertFolder,
  removeFolder,
  type FolderDriver,
  type FolderPlaces,
  type Layers,
} from "./folder-driver.js";
import type { Owner } from "./folder-handle.js";
import { chownTree } from "./chown-tree.js";
import { commitOf, releaseBaseLayer, acquireBaseLayer } from "./base-layers.js";
import {
  isMountAlive,
  layerNames,
  MountError,
  mountOverlay,
  overlayKinds,
  unmount,
  type OverlayKind,
} from "./mounts.js";

/** Whether the folder is one, mounted or not. */
export function isOverlay({ overlay }: Pick<FolderPlaces, "overlay">): Promise<boolean> {
  return exists(overlay);
}

/**
 * The driver of overlays. What belongs to a folder lies in `places.overlay`, which the agent never
 * sees: its upper layer, what the file system needs to work, a link to the lower layer, and by what it
 * is mounted. `owner` is whose the files are; null leaves them to the server. With `mapsOwners` the
 * system shows a lower layer's files as those of another owner.
 */
export function overlayDriver(
  kind: OverlayKind,
  owner: Owner | null,
  mapsOwners = false,
): FolderDriver {
  const driver: FolderDriver = {
    name: kind,

    async create(input) {
      const { overlay, lowers, folder, indexFile } = input;
      await driver.remove(input);
      const user = basename(overlay);
      const layer = await acquireBaseLayer({ ...input, user, owner });
      try {
        const lower = join(lowers, layer);
        await mkdir(dirname(overlay), { recursive: true, mode: 0o700 });
        await createDirectoryAtomically(overlay, async (aside) => {
          const upper = join(aside, layerNames.upper);
          await mkdir(upper);
          if (owner !== null) await lchown(upper, owner.uid, owner.gid);
          await mkdir(join(aside, layerNames.work));
          await symlink(relative(overlay, lower), join(aside, "lower"));
          await markOverlay(aside, overlay);
          await writeFile(join(aside, "kind"), kind, { flush: true });
        });
        await mkdir(dirname(indexFile), { recursive: true });
        const newIndex = temporaryName(indexFile, "creating");
        // Never written in: git puts a new one in its place.
        await link(join(lower, "index"), newIndex).catch(() =>
          copyFile(join(lower, "index"), newIndex),
        );
        await rename(newIndex, indexFile);
        await mkdir(folder, { recursive: true });
        await mountOverlay(kind, overlay, folder);
        return kind;
      } catch (error) {
        await driver.remove(input).catch(() => {});
        await releaseBaseLayer(lowers, layer, user).catch(() => {});
        throw error;
      }
    },

    async remove(places) {
      const { folder, overlay, lowers } = places;
      await unmount(folder);
      await removeFolder(places);
      await removeLayers(overlay, lowers, basename(overlay));
      await removeLayersAside(places);
      await removeLeftovers(overlay, "creating");
    },

    async open(places) {
      const { overlay, folder } = places;
      const layer = await layerOf(overlay);
      if (layer === null) throw new MountError("the layers of the folder are gone");
      await restoreMount(overlay, folder);
      return {
        upper: join(overlay, layerNames.upper),
        lower: join(overlay, layerNames.lower),
        commit: commitOf(layer),
      };
    },

    async giveTo(places, to) {
      const { upper } = (await driver.open(places)) as Layers;
      const { uid, gid } = await lstat(upper);
      if (uid !== to.uid || gid !== to.gid) {
        await unmount(places.folder);
        await lchown(upper, to.uid, to.gid);
        await restoreMount(places.overlay, places.folder);
      }
      await chownTree(places.folder, to, upper);
    },

    canChangeOwner: async ({ overlay }) => mapsOwners && (await kindOf(overlay)) === "overlay",

    measure: ({ overlay }) => measureTree(join(overlay, layerNames.upper)),
  };
  return driver;
}

/** The name of the lower layer that an overlay's link says; null where there is none. */
export async function layerOf(overlay: string): Promise<string | null> {
  const target = await readlink(join(overlay, "lower")).catch(() => null);
  return target === null ? null : basename(target);
}

/** Removes what an overlay is made of; `user` is under what name it uses its lower layer. */
async function removeLayers(path: string, lowers: string, user: string): Promise<void> {
  const layer = await layerOf(path);
  // First, while the link still says which one it is.
  if (layer !== null) await releaseBaseLayer(lowers, layer, user);
  await removeTree(path);
}

/** Removes layers that were renamed to be removed (`overlayToCheckout`), also by a call that was cut off. */
export async function removeLayersAside({
  overlay,
  lowers,
}: Pick<FolderPlaces, "overlay" | "lowers">): Promise<void> {
  await removeLayers(temporaryName(overlay, "removing"), lowers, basename(overlay));
}

/** By what an overlay was mounted first. Throws a MountError. */
async function kindOf(overlay: string): Promise<OverlayKind> {
  const text = await readFile(join(overlay, "kind"), "utf8");
  const kind = overlayKinds.find((known) => known === text);
  if (kind === undefined) throw new MountError(`an overlay of an unknown kind: ${text}`);
  return kind;
}

const mounting = new Map<string, Promise<void>>();

/** Mounts what a restart of the machine, or somebody, has taken away. Throws a MountError. */
export async function restoreMount(overlay: string, folder: string): Promise<void> {
  if (await isMountAlive(folder)) return;
  const restoring = mounting.get(folder) ?? mountAgain(overlay, folder);
  mounting.set(folder, restoring);
  await restoring.finally(() => mounting.delete(folder));
}

async function mountAgain(overlay: string, folder: string): Promise<void> {
  await unmount(folder);
  await checkOverlay(overlay);
  const kind = await kindOf(overlay);
  await mkdir(folder, { recursive: true }).catch(() => {});
  await assertFolder(folder);
  await mountOverlay(kind, overlay, folder);
}
