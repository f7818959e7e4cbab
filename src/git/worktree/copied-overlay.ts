/**
 * Detects overlays that were copied without extended attributes, by `cp -r`, `tar` or `rsync`
 * without the respective options. An overlay records renamed and replaced folders in such
 * attributes: without them it shows wrong files, which must not be committed.
 *
 * Each overlay has a marker file with such an attribute and its own identity as content. A
 * different identity means that the file was copied, and the attribute tells how. The overlays of
 * an organization share one file by hard links.
 */
import { link, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeTree } from "../files/atomic-directory.js";
import { hasAttribute, setAttribute } from "./extended-attributes.js";
import { MountError } from "./mounts.js";

/** The folder was copied without attributes that its overlay needs. */
export class AttributesLostError extends MountError {
  override readonly name = "AttributesLostError";

  constructor() {
    super("the folder was copied without its extended attributes");
  }
}

const NAME = "attributes";
/**
 * In the namespace that overlays use: `trusted` for root, `user` for others, who may not set
 * trusted ones.
 */
const ATTRIBUTE = process.getuid?.() === 0 ? "trusted.overlay.omoi" : "user.overlay.omoi";

/** Marks the overlay in the folder `aside`, which will be renamed to `overlay`. */
export async function markOverlay(aside: string, overlay: string): Promise<void> {
  const shared = join(dirname(overlay), `.${NAME}`);
  const mark = join(aside, NAME);
  if (await isLinked(shared, mark)) return;
  const made = `${shared}.${process.pid}-${process.hrtime.bigint()}`;
  try {
    await writeFile(made, "");
    // Without support for attributes, no overlay uses any.
    if (!(await setAttribute(made, ATTRIBUTE))) return;
    await writeFile(made, await identityOf(made), { flush: true });
    await rename(made, shared);
    await isLinked(shared, mark);
  } finally {
    await removeTree(made);
  }
}

/**
 * Checks an overlay, and marks a copied one anew.
 * @throws AttributesLostError
 */
export async function checkOverlay(overlay: string): Promise<void> {
  const mark = join(overlay, NAME);
  const said = await readFile(mark, "utf8").catch(() => null);
  // Created by version 0.1, or on a file system without attributes.
  if (said === null || said === (await identityOf(mark))) return;
  if ((await hasAttribute(mark, ATTRIBUTE)) === false) throw new AttributesLostError();
  await removeTree(mark);
  await removeTree(join(dirname(overlay), `.${NAME}`));
  await markOverlay(overlay, overlay);
}

async function identityOf(path: string): Promise<string> {
  const { ino, birthtimeNs } = await stat(path, { bigint: true });
  return `${ino} ${birthtimeNs}`;
}

function isLinked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    () => false,
  );
}
