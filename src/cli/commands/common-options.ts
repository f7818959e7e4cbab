import type { Command } from "commander";
import type { Where } from "../connection/connect.js";
import type { Format } from "../output/print.js";

/** The options of every command that asks a server. */
export type CommonOptions = Where & Format;

export function addCommon(command: Command): Command {
  return command
    .option("--org <ORG>", "the organization, by slug or id, instead of the context's")
    .option("--context <NAME>", "the installation, instead of the current one")
    .option("--json", "print JSON")
    .option("-q, --quiet", "print ids alone, or nothing");
}
