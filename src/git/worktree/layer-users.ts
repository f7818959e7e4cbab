/**
 * The users of a layer that working trees share: a folder `users` in the layer, with one file per user.
 * The layer is removed with its last user.
 *
 * No locks are needed, in one process or several. A user registers by creating a file in `users`; a
 * remover first removes `users` with rmdir(2), which succeeds only while it is empty. One of the
 * two loses the race: the user finds no folder and takes another layer, or the remover finds a user
 * and stops.
 */
import { randomBytes } from "node:crypto";
import { lstat, readdir, rename, rmdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeTree } from "../files/atomic-directory.js";

/** Remains of an interrupted process are removed after an hour. */
const FORGOTTEN_MS = 60 * 60_000;

/** Registers the use of a layer; false if the layer does not exist. */
export function addUser(layer: string, user: string): Promise<boolean> {
  return happened(writeFile(join(layer, "users", user), ""));
}

/** Ends the use of a layer, and removes the layer with its last use. Idempotent. */
export async function releaseLayer(layer: string, user: string): Promise<void> {
  await happened(unlink(join(layer, "users", user)));
  await removeUnused(layer);
}

/** Removes a layer without users. */
export async function removeUnused(layer: string): Promise<void> {
  if (!(await endUse(join(layer, "users")))) return;
  const away = `${layer}.removing-${randomBytes(6).toString("hex")}`;
  if (await happened(rename(layer, away))) await removeTree(away);
}

/** Ends the use of interrupted processes: the users that `isUnused` accepts, older than an hour. */
export async function forgetUsers(
  layer: string,
  isUnused: (user: string) => boolean | Promise<boolean>,
): Promise<void> {
  for (const name of await readdir(join(layer, "users")).catch(() => [])) {
    const path = join(layer, "users", name);
    if ((await isForgotten(path)) && (await isUnused(name))) await happened(unlink(path));
  }
}

/** Whether a file or folder is older than an hour. */
export async function isForgotten(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => null);
  return stats !== null && stats.mtimeMs < Date.now() - FORGOTTEN_MS;
}

/** Closes a layer to new users; false if it is in use. */
async function endUse(users: string): Promise<boolean> {
  try {
    await rmdir(users);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    // Missing: another removal was faster or interrupted.
    ignoreMissing(error);
  }
  return true;
}

/** Returns false if the target is missing; rethrows other errors. */
function happened(change: Promise<void>): Promise<boolean> {
  return change.then(
    () => true,
    (error: unknown) => {
      ignoreMissing(error);
      return false;
    },
  );
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
