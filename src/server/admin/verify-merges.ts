import { identifyDataFolder } from "../cluster/data-folder-identity.js";
import { readConfig } from "../config/config.js";
import { verifyMerges } from "../features/code/workspaces/merges/verify-merges.js";
import { storageIn } from "../data-folder/storage.js";
import { exitWith, withOfflineDatabase } from "./offline-database.js";

/**
 * `npm run merges:verify`: recomputes every recorded merge, revert and restore from its inputs, whether
 * or not the server is running, and reports those whose result differs from their commits. Merges of
 * deleted projects, and of those on other nodes, are counted as skipped.
 */
async function main(): Promise<boolean> {
  const config = readConfig();
  const nodeId = identifyDataFolder(config.dataDir).id;
  const storage = storageIn(config.dataDir);
  const reports = await withOfflineDatabase(config, (db) => verifyMerges(db, storage, nodeId));
  for (const { slug, merges, skipped, faults } of reports) {
    for (const { id, reason } of faults) {
      process.stdout.write(`${slug}: BROKEN at merge ${id}: ${reason}\n`);
    }
    if (faults.length > 0) continue;
    const gone =
      skipped === 0 ? "" : `; ${skipped} of deleted projects or on other servers skipped`;
    process.stdout.write(
      `${slug}: ${merges} ${merges === 1 ? "merge" : "merges"}, verified by recomputation${gone}\n`,
    );
  }
  return reports.every(({ faults }) => faults.length === 0);
}

await exitWith(main);
