import type { Command } from "commander";
import { loadDumpOf } from "#server/admin/load-dump.js";
import { print } from "./output.js";
import { existingConfig, type AdminOptions } from "./open-installation.js";

/** Adds `omoi admin load-dump`. */
export function addLoadDumpCommand(admin: Command): void {
  admin
    .command("load-dump <file>")
    .description("Go back from an upgrade: replace all rows by those of a dump")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Stop all servers first. The file is one that an upgrade wrote, dumps/before-….sql.gz in the data
folder. The present rows are dumped to dumps/after-….sql.gz before. If the command is interrupted,
the database is as it was.

Example:
  omoi admin load-dump data/dumps/before-0070_protection_changes-20261130T101500Z.sql.gz`,
    )
    .action(async (file: string, { json }: AdminOptions) => {
      const loaded = await loadDumpOf(existingConfig(), file);
      print(
        json,
        loaded,
        () =>
          `Loaded ${file}. Start the version whose newest migration is ${loaded.last_migration}. ` +
          `The rows that were replaced are in ${loaded.replaced}.`,
      );
    });
}
