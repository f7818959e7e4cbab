import { rename } from "node:fs/promises";
import { asideName, exists, removeLeftovers, removeTree } from "../worktree/atomic-directory.js";

/** Removes a store, which is gone at once for whoever looks for it; nothing there is no error. */
export async function removeRepository(store: string): Promise<void> {
  if (await exists(store)) {
    const aside = asideName(store, "removing");
    await removeTree(aside);
    await rename(store, aside);
    await removeTree(aside);
  }
  await removeLeftovers(store, "removing");
  await removeLeftovers(store, "creating");
  await removeLeftovers(store, "fetching");
}
