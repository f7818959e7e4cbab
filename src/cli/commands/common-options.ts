import { type Command, Option } from "commander";
import type { Where } from "../connection/connect.js";
import type { Format } from "../output/print.js";

/** The options of every command that asks a server. */
export type CommonOptions = Where & Format;

export function addCommon(command: Command): Command {
  return command
    .option("--org <ORG>", "the organization, by slug or id, instead of the context's")
    .option("--context <NAME>", "the installation, instead of the current one")
    .option("--json", "print JSON")
    .addOption(new Option("-o, --output <FORMAT>", "json: the same as --json").choices(["json"]))
    .on("option:output", () => command.setOptionValue("json", true))
    .option("-q, --quiet", "print ids alone, or nothing");
}

/** Adds the option for commands that take the number of a task. */
export function addTaskProject(command: Command): Command {
  return command.option(
    "--project <PROJECT>",
    "the project of the number; needed if several projects have such a task",
  );
}
