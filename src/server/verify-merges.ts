import { readConfig } from "./config.js";
import { verifyMerges } from "./features/workspaces/verify-merges.js";
import { storageIn } from "./storage.js";
import { exitWith, visitDatabase } from "./visit-database.js";

/**
 * `npm run merges:verify`: computes every recorded merge, revert and restore again from what it was
 * computed from, whether the server runs or not, and names the first of each organization that gives
 * other files than its commit holds.
 */
async function main(): Promise<boolean> {
  const config = readConfig();
  const storage = storageIn(config.dataDir);
  const reports = await visitDatabase(config, (db) => verifyMerges(db, storage));
  for (const { slug, merges, broken } of reports) {
    process.stdout.write(
      broken
        ? `${slug}: BROKEN at merge ${broken.id}: ${broken.reason}\n`
        : `${slug}: ${merges} ${merges === 1 ? "merge" : "merges"}, each as computed again\n`,
    );
  }
  return reports.every(({ broken }) => broken === null);
}

await exitWith(main);
