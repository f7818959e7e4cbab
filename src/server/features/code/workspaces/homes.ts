/**
 * Homes of agents, which runs see as /home/agent. A home is kept from run to run beside the workspace and
 * removed with it. Its content is the agent's: the server only creates, measures and removes it, and
 * follows no link in it.
 */
import { lstat, mkdir } from "node:fs/promises";
import { exists, removeTree } from "#git/files/atomic-directory.js";
import { chownTree } from "#git/worktree/chown-tree.js";
import { measureTree } from "#git/worktree/disk-usage.js";
import type { Storage } from "../../../data-folder/storage.js";
import type { WorkspaceDeps } from "./workspace.js";

type Place = Readonly<Parameters<Storage["home"]>>;

/**
 * Returns the path of the home, which then exists and belongs to the uid of the run. No process of the
 * agent may be running under another uid.
 */
export async function openHome(
  { storage }: Pick<WorkspaceDeps, "storage">,
  place: Place,
  uid: number | null,
): Promise<string> {
  const home = storage.home(...place);
  await mkdir(home, { recursive: true, mode: 0o700 });
  // The home itself changes its owner last, so its owner is that of everything in it.
  if (uid !== null && (await lstat(home)).uid !== uid) await chownTree(home, { uid, gid: uid });
  return home;
}

/** Whether the agent has a home: a run has started since its creation or its removal. */
export function hasHome(
  { storage }: Pick<WorkspaceDeps, "storage">,
  place: Place,
): Promise<boolean> {
  return exists(storage.home(...place));
}

/** Returns the bytes of the home on the disk; 0 without one. */
export function measureHome(
  { storage }: Pick<WorkspaceDeps, "storage">,
  place: Place,
): Promise<number> {
  return measureTree(storage.home(...place));
}

/** Removes the home; a missing one is not an error. No process of the agent may be running. */
export async function removeHome(
  { storage }: Pick<WorkspaceDeps, "storage">,
  place: Place,
): Promise<void> {
  await removeTree(storage.home(...place));
}
