import { readConfig } from "../config/config.js";
import { verifyMerges } from "../features/workspaces/merges/verify-merges.js";
import { storageIn } from "../data-folder/storage.js";
import { exitWith, withOfflineDatabase } from "./offline-database.js";

/**
 * `npm run merges:verify`: computes every recorded merge, revert and restore again from what it was
 * computed from, whether the server runs or not, and names those that give other files than their commits
 * hold. Merges of deleted projects are counted as skipped.
 */
async function main(): Promise<boolean> {
  const config = readConfig();
  const storage = storageIn(config.dataDir);
  const reports = await withOfflineDatabase(config, (db) => verifyMerges(db, storage));
  for (const { slug, merges, skipped, faults } of reports) {
    for (const { id, reason } of faults) {
      process.stdout.write(`${slug}: BROKEN at merge ${id}: ${reason}\n`);
    }
    if (faults.length > 0) continue;
    const gone = skipped === 0 ? "" : `; ${skipped} of deleted projects skipped`;
    process.stdout.write(
      `${slug}: ${merges} ${merges === 1 ? "merge" : "merges"}, each as computed again${gone}\n`,
    );
  }
  return reports.every(({ faults }) => faults.length === 0);
}

await exitWith(main);
