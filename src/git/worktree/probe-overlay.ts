/** Probes whether overlays work on a file system with the server's privileges. */
import { lchown, lstat, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "../files/atomic-directory.js";
import { chownTree } from "./chown-tree.js";
import { layerNames, mountOverlay, unmount, type OverlayKind } from "./mounts.js";

/**
 * Mounts an overlay in `folder` (the temporary folder by default), performs typical changes, and
 * unmounts it. Returns null on success, otherwise the problem.
 * @param uids different owners of the lower and the upper layer, to probe owner mapping
 */
export async function probeOverlay(
  kind: OverlayKind,
  folder = tmpdir(),
  uids?: readonly [lower: number, upper: number],
): Promise<string | null> {
  let root: string | null = null;
  try {
    root = await mkdtemp(join(folder, "probe-"));
    return await tryIn(kind, root, uids);
  } catch (error) {
    return (error as Error).message;
  } finally {
    if (root !== null) await removeTree(root).catch(() => {});
  }
}

async function tryIn(
  kind: OverlayKind,
  home: string,
  uids: readonly [number, number] | undefined,
): Promise<string | null> {
  const merged = join(home, "merged");
  const below = join(home, layerNames.lower);
  for (const place of [merged, join(below, "folder/inner"), join(home, layerNames.upper)]) {
    await mkdir(place, { recursive: true });
  }
  await mkdir(join(home, layerNames.work));
  await writeFile(join(below, "folder/inner/file"), "below");
  await writeFile(join(below, "deleted"), "");
  if (uids !== undefined) {
    await chownTree(below, { uid: uids[0], gid: uids[0] });
    await lchown(join(home, layerNames.upper), uids[1], uids[1]);
  }
  await mountOverlay(kind, home, merged);
  try {
    const { uid } = await lstat(join(merged, "folder/inner/file"));
    if (uids !== undefined && uid !== uids[1]) return "owners are not mapped";
    await writeFile(join(merged, "folder/inner/file"), "above");
    await rm(join(merged, "deleted"));
    await rename(join(merged, "folder"), join(merged, "renamed"));
    const moved = await readFile(join(merged, "renamed/inner/file"), "utf8");
    const kept = await readFile(join(below, "folder/inner/file"), "utf8");
    const isGone = await lstat(join(merged, "deleted")).then(
      () => false,
      () => true,
    );
    return moved === "above" && kept === "below" && isGone ? null : "changes reach the lower layer";
  } finally {
    await unmount(merged);
  }
}
