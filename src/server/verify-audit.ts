import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { z } from "zod";
import { ConfigError, readConfig } from "./config.js";
import { addressFromUrl, type Queryable } from "./db/connect.js";
import { EmbeddedPostgresError, visitEmbeddedPostgres } from "./db/embedded.js";
import { verifyChains, type ChainHead } from "./features/audit/service.js";

/**
 * `npm run audit:verify`: walks along every organization's audit log, whether the server runs or not,
 * and names the first event that is not as it was written. `--json` prints where each log ends, for
 * keeping elsewhere; `--against <file>` holds the logs against such an output, which shows that
 * nothing was cut off at their ends.
 */
async function main(args: string[]): Promise<boolean> {
  const json = args.includes("--json");
  const file = args[args.indexOf("--against") + 1];
  const earlier = args.includes("--against") ? readHeads(file) : [];
  const config = readConfig();
  const dataDir = join(config.dataDir, "postgres");
  if (config.databaseUrl === null && !existsSync(join(dataDir, "PG_VERSION"))) {
    throw new ConfigError(
      `There is no database in ${config.dataDir}; set OMOI_DATA_DIR to its folder`,
    );
  }
  const embedded = config.databaseUrl === null ? await visitEmbeddedPostgres({ dataDir }) : null;
  const client = new pg.Client({
    ...(embedded
      ? {
          host: embedded.host,
          port: embedded.port,
          user: embedded.user,
          database: embedded.database,
        }
      : addressFromUrl(config.databaseUrl as string)),
    options: "-c timezone=UTC -c app.system=on -c default_transaction_read_only=on",
  });
  try {
    await client.connect();
    const reports = await verifyChains(drizzle(client) as Queryable, earlier);
    if (json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
    for (const { slug, events, head, broken } of json ? [] : reports) {
      process.stdout.write(
        broken
          ? `${slug}: BROKEN at sequence ${broken.sequence}: ${broken.reason}\n`
          : `${slug}: ${events} ${events === 1 ? "event" : "events"}, intact; the last is ${head}\n`,
      );
    }
    return reports.every(({ broken }) => broken === null);
  } finally {
    await client.end();
    await embedded?.stop();
  }
}

const heads = z.array(z.object({ orgId: z.uuid(), events: z.number(), head: z.string() }));

function readHeads(file: string | undefined): ChainHead[] {
  try {
    return heads.parse(JSON.parse(readFileSync(file ?? "", "utf8")));
  } catch {
    throw new ConfigError("--against needs a file that --json has printed");
  }
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  const expected = error instanceof ConfigError || error instanceof EmbeddedPostgresError;
  process.stderr.write(`omoi: ${expected ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
