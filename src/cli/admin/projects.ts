import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import type { ProjectMove } from "#shared/api/operation/project-moves.js";
import {
  cancelMove,
  findProjectId,
  moveProject,
  readMove,
} from "#server/features/operation/project-moves/index.js";
import { exitCodes, print } from "./output.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";

const POLL_MS = 500;

/** Adds `omoi admin project …`. */
export function addProjectCommands(admin: Command): void {
  const project = admin
    .command("project")
    .description("Move projects between servers")
    .addHelpText(
      "after",
      `
Examples:
  omoi admin project move acme/shop node-2
  omoi admin project cancel-move acme/shop`,
    );
  project
    .command("move")
    .description("Move a project to another server, and wait for the end")
    .argument("<PROJECT>", "organization/project, or the project's id")
    .argument("<NODE>", "name of the server (OMOI_NODE_NAME), or its id")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Both servers must be running. The project stays in use while its files are copied, and answers 503
for some seconds at the end. No run of it may be in progress; one that begins meanwhile is waited for.
The move goes on if this command is stopped.`,
    )
    .action(move);
  project
    .command("cancel-move")
    .description("Cancel the move of a project before it changes its server")
    .argument("<PROJECT>", "organization/project, or the project's id")
    .option("--json", "print JSON")
    .action((of: string, { json }: AdminOptions) =>
      inInstallation(async (installation) => {
        const id = await findProjectId(installation.db, of);
        const canceled = await cancelMove(await installation.adminContext(), id);
        print(json, canceled, () => `The move to ${canceled.to.name} is canceled.`);
      }),
    );
}

async function move(of: string, node: string, { json }: AdminOptions): Promise<void> {
  await inInstallation(async (installation) => {
    const { db } = installation;
    const id = await findProjectId(db, of);
    let made = await moveProject(await installation.adminContext(), id, node);
    while (made.finished_at === null) {
      showProgress(made);
      await pause(POLL_MS);
      made = await readMove(db, id);
    }
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
    print(json, made, () =>
      made.state === "done"
        ? `${of} has moved from ${made.from.name} to ${made.to.name}.`
        : `The move of ${of} to ${made.to.name} was ${made.state}${made.error === null ? "" : `: ${made.error}`}.`,
    );
    if (made.state !== "done") process.exitCode = exitCodes.failed;
  });
}

/** Shows progress on standard error, on one line of a terminal. */
function showProgress({ state, bytes_copied, bytes_total }: ProjectMove): void {
  if (!process.stderr.isTTY) return;
  const share = `${Math.floor(bytes_copied / 2 ** 20)} of ${Math.ceil(bytes_total / 2 ** 20)} MiB`;
  process.stderr.write(`\r\u001b[K${state} ${share}`);
}
