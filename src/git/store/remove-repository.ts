import { rename } from "node:fs/promises";
import {
  temporaryName,
  exists,
  removeLeftovers,
  removeTree,
} from "../worktree/atomic-directory.js";

/** Removes a repository; it disappears atomically. A missing one is not an error. */
export async function removeRepository(repoPath: string): Promise<void> {
  if (await exists(repoPath)) {
    const aside = temporaryName(repoPath, "removing");
    await removeTree(aside);
    await rename(repoPath, aside);
    await removeTree(aside);
  }
  await removeLeftovers(repoPath, "removing");
  await removeLeftovers(repoPath, "creating");
  await removeLeftovers(repoPath, "fetching");
}
