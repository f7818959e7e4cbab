import { readFileSync } from "node:fs";
import { z } from "zod";
import { ConfigError } from "#shared/node/config-error.js";
import { readConfig } from "../config/config.js";
import { verifyChains, type ChainHead } from "../features/organization/audit/index.js";
import { exitWith, withOfflineDatabase } from "./offline-database.js";

/**
 * `npm run audit:verify`: verifies every organization's audit log, whether or not the server is
 * running, and reports altered events. `--json` prints the head of each log, to be kept elsewhere;
 * `--against <file>` compares the logs with such an output, which detects truncation.
 */
async function main(args: string[]): Promise<boolean> {
  const json = args.includes("--json");
  const file = args[args.indexOf("--against") + 1];
  const earlier = args.includes("--against") ? readHeads(file) : [];
  const reports = await withOfflineDatabase(readConfig(), (db) => verifyChains(db, earlier));
  if (json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
  for (const { slug, events, head, faults } of json ? [] : reports) {
    for (const { sequence, reason } of faults) {
      process.stdout.write(`${slug}: BROKEN at sequence ${sequence}: ${reason}\n`);
    }
    if (faults.length > 0) continue;
    process.stdout.write(
      `${slug}: ${events} ${events === 1 ? "event" : "events"}, intact; the last is ${head}\n`,
    );
  }
  return reports.every(({ faults }) => faults.length === 0);
}

const heads = z.array(z.object({ orgId: z.uuid(), events: z.number(), head: z.string() }));

function readHeads(file: string | undefined): ChainHead[] {
  try {
    return heads.parse(JSON.parse(readFileSync(file ?? "", "utf8")));
  } catch {
    throw new ConfigError("--against requires a file written by --json");
  }
}

await exitWith(() => main(process.argv.slice(2)));
