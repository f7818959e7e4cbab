import { identifyDataFolder } from "../cluster/data-folder-identity.js";
import { purposes, decrypt } from "../encrypt.js";
import { verifyInstallationLog } from "../db/audit/installation-audit.js";
import { verifyChains, type ChainReport } from "../features/audit/index.js";
import { verifyMerges, type MergesReport } from "../features/workspaces/merges/verify-merges.js";
import {
  verifyRepositories,
  type RepositoriesReport,
} from "../features/workspaces/verify-repositories.js";
import { storageIn } from "../data-folder/storage.js";
import type { Installation } from "./installation.js";

/** The faults found by a verification; all lists are empty for an intact installation. */
export interface Verification {
  clean: boolean;
  installation_log: Awaited<ReturnType<typeof verifyInstallationLog>>;
  audit: ChainReport[];
  merges: MergesReport[];
  repositories: RepositoriesReport[];
  /** Number of encrypted values, and of those the secret cannot decrypt. */
  encrypted: { values: number; unreadable: number };
}

/**
 * Verifies logs, the database, the secret, and the merges and repositories of the node of the data folder,
 * without changing anything.
 */
export async function verifyInstallation({
  config,
  pool,
  db,
}: Pick<Installation, "config" | "pool" | "db">): Promise<Verification> {
  const storage = storageIn(config.dataDir);
  const nodeId = identifyDataFolder(config.dataDir).id;
  const installation_log = await verifyInstallationLog(db);
  const audit = await verifyChains(db, []);
  const repositories = await verifyRepositories(db, storage, nodeId);
  const merges = await verifyMerges(db, storage, nodeId);
  const encrypted = { values: 0, unreadable: 0 };
  const { rows } = await pool.query<{ purpose: string; context: string; value: Buffer }>(
    `select $1 as purpose, user_id::text as context, sealed_secret as value from totp_secrets
     union all select $2, project_id::text, sealed from upstream_credentials
     union all select $3, '', encrypted_verification_key from installation
     union all select $4, owner_id || '/' || name, sealed from secrets
     union all select $5, id::text, sealed_secret from webhooks
     union all select $5, id::text, sealed_previous_secret from webhooks
       where sealed_previous_secret is not null
     union all select $5, id::text, sealed_secret from notification_webhooks`,
    [
      purposes.totpSecret,
      purposes.upstreamCredential,
      purposes.verificationKey,
      purposes.secretValue,
      purposes.webhookSecret,
    ],
  );
  for (const { purpose, context, value } of rows) {
    encrypted.values += 1;
    if (decrypt(config.secret, purpose, context, value) === null) encrypted.unreadable += 1;
  }
  const faults = [installation_log, ...audit, ...merges, ...repositories];
  return {
    clean: encrypted.unreadable === 0 && faults.every((report) => report.faults.length === 0),
    installation_log,
    audit,
    merges,
    repositories,
    encrypted,
  };
}
