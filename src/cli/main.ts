#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addAutomationWork } from "./automation/automation-work.js";
import { addAgentWork } from "./commands/agents.js";
import { addComparisons } from "./commands/compare.js";
import { addMerge } from "./commands/merge.js";
import { addTop } from "./commands/top.js";
import { addApi } from "./commands/api.js";
import { addCallCommands } from "./commands/add-call-commands.js";
import { addCompletion } from "./commands/completion.js";
import { addDoctor } from "./doctor/doctor.js";
import { addFolders } from "./commands/folders.js";
import { addLogs } from "./commands/logs.js";
import { addMcp } from "./commands/mcp.js";
import { addAttach } from "./commands/sessions.js";
import { addSignIn } from "./commands/sign-in.js";
import { addReviewWork } from "./review/review-work.js";
import { addTaskWork } from "./commands/tasks.js";
import { groups } from "./commands/call-commands.js";
import { askedVersion } from "./connection/http.js";
import { exitCodes, reportFailure, UsageError } from "./output/failures.js";
import { interrupted } from "./output/interrupt.js";
import { plain } from "./output/values.js";
import { endWithReader, writeLine } from "./output/print.js";
import { moveGlobals } from "./global-options.js";

/** The version, which the build writes. */
function version(): string {
  for (const path of ["../build.json", "../../package.json"]) {
    try {
      return (
        JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { version: string }
      ).version;
    } catch {
      // The packed command has no build.json.
    }
  }
  return "unknown";
}

const program = new Command("omoi")
  .description("Omoi: many coding agents on the same repositories.")
  .usage("<command> [options]")
  .version(version(), "-v, --version", "print the version")
  // An option after a command is that command's own.
  .enablePositionalOptions()
  .showHelpAfterError("Run the command with --help for usage.")
  .exitOverride();
program.addHelpText(
  "after",
  `
Start here:
  omoi serve
  omoi login https://omoi.example.com
  omoi task new 'Add a login page' --project shop --follow
  omoi task list --mine
  omoi task merge 1

Environment: OMOI_URL and OMOI_TOKEN instead of a sign-in, OMOI_ORG, NO_COLOR.
--org, --context, --json (or -o json) and --quiet also stand before the command. ls is list, rm is delete,
and ps is top --once.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not signed in, 4 not found, 5 conflict,
130 interrupted. agent start --follow ends with the exit code of the run's command.`,
);

// Only the commands of one group are made: there are two hundred.
const given = moveGlobals(process.argv.slice(2), new Set([...Object.keys(groups), "context"]));
const words = given.filter((word) => !word.startsWith("-"));
const first = (words[0] === "help" ? words[1] : words[0]) ?? "";
const made = new Map<string, Command>();
const add = (name: string): void => {
  const group = made.get(name) as Command;
  if (group.commands.length > 0) return;
  addCallCommands(group, name);
  if (name === "agent") addAgentWork(group);
  if (name === "session") addAttach(group);
  if (name === "task") addTaskWork(group);
  if (name === "review") addReviewWork(group);
  if (name === "automation") addAutomationWork(group);
};

addSignIn(program);
addComparisons(program);
addTop(program);
addLogs(program);
for (const [name, description] of Object.entries(groups)) {
  const group = program.command(name).description(description).enablePositionalOptions();
  made.set(name, group);
  if (name === "merge") addMerge(group);
  if (name === first) add(name);
}
addFolders(program);
addDoctor(program, version());
addApi(program);
addMcp(program);
program
  .command("version")
  .description("Print the version")
  .action(() => writeLine(version()));
addCompletion(program, () => {
  for (const name of made.keys()) add(name);
});

/** The parts of the server among the commands: their descriptions, and how they are added. */
const ofServer: Record<string, { description: string; add: () => Promise<void> }> = {
  serve: {
    description: "Start the server on this machine, until it is stopped",
    add: async () => (await import("./serve/serve.js")).addServe(program),
  },
  admin: {
    description: "Run an installation, on the server's machine: users, backups, verification",
    add: async () => {
      const { addAdminCommands } = await import("./admin/commands.js");
      (await import("./serve/data-folder.js")).findDataFolder();
      addAdminCommands(program);
    },
  },
  runner: {
    description: "Execute runs of a server on this machine, until it is stopped",
    add: async () => (await import("./runner/start-runner.js")).addRunner(program, version()),
  },
};
for (const [name, { description, add: addNow }] of Object.entries(ofServer)) {
  if (name === first) await addOfServer(name, addNow);
  else program.command(name).description(description);
}

/** Adds a command that is part of the server, which the packed command line lacks. */
async function addOfServer(name: string, addNow: () => Promise<void>): Promise<void> {
  try {
    await addNow();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    program
      .command(name)
      .allowUnknownOption()
      .argument("[ARGUMENTS...]")
      .action(() => {
        throw new UsageError(
          `omoi ${name} is part of the server, and this is the command line alone: install the package omoi in place of omoi-cli.`,
        );
      });
  }
}

endWithReader();
process.on("SIGINT", interrupted);
try {
  await program.parseAsync(given, { from: "user" });
} catch (error) {
  process.exitCode =
    error instanceof CommanderError
      ? error.exitCode === 0
        ? exitCodes.ok
        : exitCodes.usage
      : await failed(error);
}
// Connections are kept for further requests; nothing else shall wait.
if (process.exitCode !== undefined || !(first in ofServer))
  process.stdout.write("", () => process.exit());

/** An earlier server knows fewer calls, and answers that they do not exist. */
async function explainOldServer(): Promise<void> {
  const theirs = await askedVersion();
  const partsOf = (text: string) => text.split(/[.-]/).slice(0, 3).map(Number);
  if (theirs === null) return;
  const [one, other] = [partsOf(theirs), partsOf(version())];
  const at = one.findIndex((part, place) => part !== other[place]);
  if (at === -1 || (one[at] ?? 0) > (other[at] ?? 0)) return;
  process.stderr.write(
    `omoi: the server is Omoi ${plain(theirs)}, older than this command (${version()}); it may not have this call.\n`,
  );
}

/** Errors of the server's own code are explained by its commands. */
async function failed(error: unknown): Promise<number> {
  if (!(first in ofServer) || error instanceof UsageError) {
    const code = reportFailure(error);
    if (code === exitCodes.notFound) await explainOldServer();
    return code;
  }
  const { reportFailure: reportOfServer } = await import("./admin/output.js");
  return reportOfServer(error);
}
