/** The overlay driver: working trees created in constant time, with an upper layer of changes. */
import { constants } from "node:fs";
import {
  copyFile,
  link,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import {
  temporaryName,
  createDirectoryAtomically,
  exists,
  removeLeftovers,
  removeTree,
} from "../files/atomic-directory.js";
import { runSystem } from "../process/system-command.js";
import { checkOverlay, markOverlay } from "./copied-overlay.js";
import { measureTree } from "./disk-usage.js";
import {
  assertFolder,
  removeFolder,
  type WorktreeDriver,
  type WorktreePaths,
  type Layers,
} from "./worktree-driver.js";
import type { Owner } from "./folder-handle.js";
import { chownTree } from "./chown-tree.js";
import { commitOf, acquireBaseLayer } from "./base-layers.js";
import { hasEnvironment, storeEnvironment } from "./environment-layer.js";
import { addUser, releaseLayer } from "./layer-users.js";
import {
  isMountAlive,
  layerNames,
  MountError,
  mountOverlay,
  overlayKinds,
  unmount,
  unmountUnused,
  type OverlayKind,
} from "./mounts.js";

/** Tells whether the working tree is an overlay, mounted or not. */
export function isOverlay({ overlay }: Pick<WorktreePaths, "overlay">): Promise<boolean> {
  return exists(overlay);
}

/**
 * Creates the driver of overlays. `places.overlay` contains the parts that the agent never sees:
 * the upper layer, the work folder, a link to the base layer, and the kind of mount. `owner` owns
 * the files; null for the server. With `mapsOwners`, the kernel can map the base layer's files to
 * another owner.
 */
export function overlayDriver(
  kind: OverlayKind,
  owner: Owner | null,
  mapsOwners = false,
): WorktreeDriver {
  const driver: WorktreeDriver = {
    name: kind,

    async create(input) {
      const { overlay, lowers, folder, indexFile } = input;
      await driver.remove(input);
      const user = basename(overlay);
      const layer = await acquireBaseLayer({ ...input, user, owner });
      const above = (mapsOwners && kind === "overlay" ? input.owner : null) ?? owner;
      try {
        const lower = join(lowers, layer);
        await mkdir(dirname(overlay), { recursive: true, mode: 0o700 });
        await createDirectoryAtomically(overlay, async (aside) => {
          const upper = join(aside, layerNames.upper);
          await mkdir(upper);
          if (above !== null) await lchown(upper, above.uid, above.gid);
          await mkdir(join(aside, layerNames.work));
          await symlink(relative(overlay, lower), join(aside, "lower"));
          await markOverlay(aside, overlay);
          await writeFile(join(aside, "kind"), kind, { flush: true });
        });
        await mkdir(dirname(indexFile), { recursive: true });
        const newIndex = temporaryName(indexFile, "creating");
        // The index is never modified: git replaces it.
        await link(join(lower, "index"), newIndex).catch(() =>
          copyFile(join(lower, "index"), newIndex),
        );
        await rename(newIndex, indexFile);
        await mkdir(folder, { recursive: true });
        await mountOverlay(kind, overlay, folder);
        return kind;
      } catch (error) {
        await driver.remove(input).catch(() => {});
        await releaseLayer(join(lowers, layer), user).catch(() => {});
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

    async changeOwner(places, to) {
      const { upper } = (await driver.open(places)) as Layers;
      const { uid, gid } = await lstat(upper);
      if (uid !== to.uid || gid !== to.gid) {
        await unmountUnused(places.folder);
        await lchown(upper, to.uid, to.gid);
        await restoreMount(places.overlay, places.folder);
      }
      await chownTree(places.folder, to, upper);
    },

    storeEnvironment: (places, layer) => storeEnvironment(places, layer, owner),

    async attachEnvironment({ overlay, folder }, layer) {
      const linked = await environmentOf(overlay);
      if (linked !== null && (await hasEnvironment(linked))) return linked;
      const user = basename(overlay);
      if (!(await addUser(layer, user))) return null;
      await unmountUnused(folder).catch(async (error: unknown) => {
        await releaseLayer(layer, user);
        throw error;
      });
      // One that is gone, as after the restore of a backup.
      await removeTree(join(overlay, ENVIRONMENT));
      await symlink(relative(overlay, layer), join(overlay, ENVIRONMENT));
      await restoreMount(overlay, folder);
      return layer;
    },

    canChangeOwner: async ({ overlay }) => mapsOwners && (await kindOf(overlay)) === "overlay",

    measure: ({ overlay }) => measureTree(join(overlay, layerNames.upper)),
  };
  return driver;
}

/** Returns the name of the base layer that an overlay links to; null without one. */
export async function layerOf(overlay: string): Promise<string | null> {
  const target = await readlink(join(overlay, "lower")).catch(() => null);
  return target === null ? null : basename(target);
}

const ENVIRONMENT = dirname(layerNames.environment);

/** Returns the path of the environment layer that an overlay links to; null without one. */
export async function environmentOf(overlay: string): Promise<string | null> {
  const target = await readlink(join(overlay, ENVIRONMENT)).catch(() => null);
  return target === null ? null : join(overlay, target);
}

/** Removes the parts of an overlay; `user` is the name under which it uses its shared layers. */
async function removeLayers(path: string, lowers: string, user: string): Promise<void> {
  const layer = await layerOf(path);
  const environment = await environmentOf(path);
  // First, while the links still exist.
  if (layer !== null) await releaseLayer(join(lowers, layer), user);
  if (environment !== null) await releaseLayer(environment, user);
  await removeTree(path);
}

/**
 * Removes the parts of an overlay that `overlayToCheckout` renamed, including remains of an
 * interrupted call.
 */
export async function removeLayersAside({
  overlay,
  lowers,
}: Pick<WorktreePaths, "overlay" | "lowers">): Promise<void> {
  await removeLayers(temporaryName(overlay, "removing"), lowers, basename(overlay));
}

/** Reads the recorded kind of mount. @throws MountError */
async function kindOf(overlay: string): Promise<OverlayKind> {
  const text = await readFile(join(overlay, "kind"), "utf8");
  const kind = overlayKinds.find((known) => known === text);
  if (kind === undefined) throw new MountError(`an overlay of an unknown kind: ${text}`);
  return kind;
}

const mounting = new Map<string, Promise<void>>();

/** Restores a mount that is gone, for example after a reboot. @throws MountError */
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
  const below = await open(folder, constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await mountOverlay(kind, overlay, folder);
    await liftFiles(below, folder);
  } finally {
    await below.close();
  }
}

/**
 * Moves files into the mounted folder that a process wrote by their paths while nothing was mounted, and
 * that the mount hides. Files that they replace get a name with a number.
 * @param below the folder below the mount, opened before
 */
async function liftFiles(below: FileHandle, folder: string): Promise<void> {
  const hidden = `/proc/${process.pid}/fd/${below.fd}`;
  if ((await readdir(hidden)).length === 0) return;
  const move = ["mv", "--backup=numbered", `--target-directory=${folder}`, "{}", "+"];
  await runSystem("find", [`${hidden}/`, "-mindepth", "1", "-maxdepth", "1", "-exec", ...move]);
}
