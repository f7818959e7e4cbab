/**
 * Noticing that an overlay was copied without its extended attributes, by `cp -r`, `tar` or `rsync` without
 * their options for them. An overlay records in them that a folder was renamed or takes the place of
 * another: without them it shows wrong files, which must not be committed.
 *
 * Each overlay has a file with such an attribute, which also holds its own identity. A file that has another
 * identity than it says was copied, and then its attribute tells how. One file, by many names, serves all
 * overlays of an organization.
 */
import { link, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeTree } from "./atomic-directory.js";
import { hasAttribute, setAttribute } from "./extended-attributes.js";
import { MountError } from "./mounts.js";

/** The folder was copied without what its overlay needs. */
export class AttributesLostError extends MountError {
  override readonly name = "AttributesLostError";

  constructor() {
    super("the folder was copied without its extended attributes");
  }
}

const NAME = "attributes";
/** As the attributes of overlays: root's are trusted, and others may set none of those. */
const ATTRIBUTE = process.getuid?.() === 0 ? "trusted.overlay.omoi" : "user.overlay.omoi";

/** Marks the overlay in the folder `aside`, which is on its way to `overlay`. */
export async function markOverlay(aside: string, overlay: string): Promise<void> {
  const shared = join(dirname(overlay), `.${NAME}`);
  const mark = join(aside, NAME);
  if (await isLinked(shared, mark)) return;
  const made = `${shared}.${process.pid}-${process.hrtime.bigint()}`;
  try {
    await writeFile(made, "");
    // Where there are no attributes, no overlay uses any.
    if (!(await setAttribute(made, ATTRIBUTE))) return;
    await writeFile(made, await identityOf(made), { flush: true });
    await rename(made, shared);
    await isLinked(shared, mark);
  } finally {
    await removeTree(made);
  }
}

/**
 * Marks a copied overlay anew.
 * @throws AttributesLostError
 */
export async function checkOverlay(overlay: string): Promise<void> {
  const mark = join(overlay, NAME);
  const said = await readFile(mark, "utf8").catch(() => null);
  // One of version 0.1, or on a file system without attributes.
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
