#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { addAdminCommands } from "./admin/commands.js";
import { exitCodes, reportFailure } from "./output.js";

const program = new Command("omoi")
  .description("Omoi: many coding agents on the same repositories.")
  .showHelpAfterError("Run the command with --help for usage.")
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();
addAdminCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode =
    error instanceof CommanderError
      ? error.exitCode === 0
        ? exitCodes.ok
        : exitCodes.usage
      : reportFailure(error);
}
