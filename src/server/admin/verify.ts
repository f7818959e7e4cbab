import { identifyDataFolder } from "../cluster/data-folder-identity.js";
import { purposes, decrypt } from "../encrypt.js";
import { verifyInstallationLog } from "../db/audit/installation-audit.js";
import { verifyChains, type ChainReport } from "../features/organization/audit/index.js";
import {
  verifyMerges,
  type MergesReport,
} from "../features/code/workspaces/merges/verify-merges.js";
import {
  verifyRepositories,
  type RepositoriesReport,
} from "../features/code/workspaces/verify-repositories.js";
import { verifyLogs, type LogsReport } from "../features/execution/runs/index.js";
import { storageIn } from "../data-folder/storage.js";
import type { Installation } from "./installation.js";

/** The faults found by a verification; all lists are empty for an intact installation. */
export interface Verification {
  clean: boolean;
  installation_log: Awaited<ReturnType<typeof verifyInstallationLog>>;
  audit: ChainReport[];
  merges: MergesReport[];
  repositories: RepositoriesReport[];
  logs: LogsReport[];
  /** Number of encrypted values, and of those the secret cannot decrypt. */
  encrypted: { values: number; unreadable: number };
}

/**
 * Verifies audit logs, the secret, and the repositories, workspaces, merges and logs of runs of the node of the data
 * folder, without changing anything.
 * @param onProgress gets the name of each kind of data before it is checked
 */
export async function verifyInstallation(
  { config, pool, db }: Pick<Installation, "config" | "pool" | "db">,
  onProgress: (checked: string) => void = () => {},
): Promise<Verification> {
  const storage = storageIn(config.dataDir);
  const nodeId = identifyDataFolder(config.dataDir).id;
  onProgress("the audit logs");
  const installation_log = await verifyInstallationLog(db);
  const audit = await verifyChains(db, []);
  onProgress("the repositories and the folders of workspaces");
  const repositories = await verifyRepositories(db, storage, nodeId);
  onProgress("the merges, by merging again");
  const merges = await verifyMerges(db, storage, nodeId);
  onProgress("the logs of runs");
  const logs = await verifyLogs(db, storage, nodeId, config.runLogDays);
  onProgress("the encrypted values");
  const encrypted = { values: 0, unreadable: 0 };
  const { rows } = await pool.query<{ purpose: string; context: string; value: Buffer }>(
    `select $1 as purpose, user_id::text as context, sealed_secret as value from totp_secrets
     union all select $2, project_id::text, sealed from upstream_credentials
     union all select $3, '', encrypted_verification_key from installation
     union all select $4, owner_id || '/' || name, sealed from secrets
     union all select $5, id::text, sealed_secret from webhooks
     union all select $5, id::text, sealed_previous_secret from webhooks
       where sealed_previous_secret is not null
     union all select $5, id::text, sealed_secret from notification_webhooks
     union all select $6, id::text, sealed from forges
     union all select $6, forge_id::text, sealed from forge_handshakes where sealed is not null
     union all select $7, id::text, sealed_secret from automations where sealed_secret is not null
     union all select $8, id::text, sealed_webhook_secret from forges where sealed_webhook_secret is not null`,
    [
      purposes.totpSecret,
      purposes.upstreamCredential,
      purposes.verificationKey,
      purposes.secretValue,
      purposes.webhookSecret,
      purposes.forgeCredential,
      purposes.automationSecret,
      purposes.forgeWebhookSecret,
    ],
  );
  for (const { purpose, context, value } of rows) {
    encrypted.values += 1;
    if (decrypt(config.secret, purpose, context, value) === null) encrypted.unreadable += 1;
  }
  const faults = [installation_log, ...audit, ...merges, ...repositories, ...logs];
  return {
    clean: encrypted.unreadable === 0 && faults.every((report) => report.faults.length === 0),
    installation_log,
    audit,
    merges,
    repositories,
    logs,
    encrypted,
  };
}
