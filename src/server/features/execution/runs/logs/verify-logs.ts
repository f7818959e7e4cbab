import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { sql, type SQL } from "drizzle-orm";
import { MASK } from "#execution/logs/mask-secrets.js";
import type { StoredLogEntry } from "#execution/logs/stored-log-entry.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { Storage } from "../../../../data-folder/storage.js";

/** The result of comparing an organization's logs with its runs. */
export interface LogsReport {
  slug: string;
  logs: number;
  faults: { run: string; reason: string }[];
}

interface LoggedRun extends Record<string, unknown> {
  id: string;
  org_id: string;
  project_id: string;
  slug: string;
  bytes: number;
  truncated: boolean;
}

const MISSING = "its log is missing";

/** Runs per query. */
const STEP = 1000;

/**
 * Checks that the logs of ended runs in the data folder of a node exist and have all output. Logs in the object storage
 * and expired ones are left out. Requires a connection that sees all organizations.
 * @param days after which logs expire
 */
export async function verifyLogs(
  db: Queryable,
  storage: Storage,
  nodeId: string,
  days: number,
): Promise<LogsReport[]> {
  const reports = new Map<string, LogsReport>();
  const list = (condition: SQL): Promise<LoggedRun[]> =>
    listLogged(
      db,
      sql`p.home_node = ${nodeId}::uuid and r.ended_at > now() - make_interval(days => ${days}::int)
        and ${condition}`,
    );
  for (let runs = await list(sql`true`); runs.length > 0;) {
    for (const run of runs) {
      const reason = await findFault(storage, run);
      // Its log may have expired or moved meanwhile.
      if (reason !== null && (await list(sql`r.id = ${run.id}::uuid`)).length === 0) continue;
      const report = reports.get(run.slug) ?? { slug: run.slug, logs: 0, faults: [] };
      reports.set(run.slug, report);
      report.logs += 1;
      if (reason !== null) report.faults.push({ run: run.id, reason });
    }
    runs = await list(sql`r.id > ${runs.at(-1)?.id}::uuid`);
  }
  return [...reports.values()];
}

/**
 * Marks the output of a project's runs as incomplete whose logs were lost, after its files were restored from a backup.
 * @param storage the restored files
 */
export async function forgetLostLogs(
  tx: Queryable,
  storage: Storage,
  projectId: string,
): Promise<void> {
  const list = (after: SQL): Promise<LoggedRun[]> =>
    listLogged(tx, sql`p.id = ${projectId}::uuid and ${after}`);
  for (let runs = await list(sql`true`); runs.length > 0;) {
    for (const run of runs) {
      const reason = await findFault(storage, run);
      if (reason === null) continue;
      const bytes = reason === MISSING ? 0 : run.bytes;
      await tx.execute(sql`
        update runs set output_bytes = ${bytes}, output_truncated = true where id = ${run.id}::uuid`);
    }
    runs = await list(sql`r.id > ${runs.at(-1)?.id}::uuid`);
  }
}

async function listLogged(db: Queryable, condition: SQL): Promise<LoggedRun[]> {
  const { rows } = await db.execute<LoggedRun>(sql`
    select r.id, p.org_id, p.id as project_id, o.slug, r.output_bytes::float8 as bytes,
      r.output_truncated as truncated
    from runs r left join agents a on a.id = r.agent_id
    join projects p on p.id = coalesce(r.project_id, a.project_id)
    join organizations o on o.id = p.org_id
    where p.deleted_at is null and r.ended_at is not null and r.status <> 'lost'
      and r.output_bytes > 0
      and not exists (select from log_objects l where l.run_id = r.id and l.state <> 'uploading')
      and ${condition}
    order by r.id limit ${STEP}`);
  return rows;
}

async function findFault(storage: Storage, run: LoggedRun): Promise<string | null> {
  const lines = createInterface({
    input: createReadStream(storage.runLog(run.org_id, run.project_id, run.id)),
  });
  let bytes = 0;
  let isMasked = false;
  try {
    for await (const line of lines) {
      const { stream, raw, text } = JSON.parse(line) as StoredLogEntry;
      if (stream === "system") continue;
      // The text of a preset's line of JSON is another than its output.
      const output = raw ?? text;
      bytes += Buffer.byteLength(output);
      isMasked ||= output.includes(MASK);
    }
  } catch (error) {
    if (error instanceof SyntaxError)
      return `its log has an entry that cannot be read after ${bytes} bytes`;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return MISSING;
    return `its log cannot be read (${(error as Error).message})`;
  }
  // A mask may be shorter than the secret, and invalid characters are longer than their bytes.
  if (run.truncated || isMasked || bytes >= run.bytes) return null;
  return `its log has ${bytes} bytes of the output, which had ${run.bytes}`;
}
