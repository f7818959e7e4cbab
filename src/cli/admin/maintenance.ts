import type { Command } from "commander";
import { maintenanceMessage, type MaintenanceState } from "#shared/api/operation/maintenance.js";
import { readMaintenance } from "#server/db/maintenance.js";
import {
  endMaintenance,
  setMaintenance,
  stateOf,
} from "#server/features/operation/maintenance/index.js";
import { UsageError } from "../output/failures.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";
import { print, shownTime } from "./output.js";

/** Adds `omoi admin maintenance`. */
export function addMaintenanceCommands(admin: Command): void {
  const maintenance = admin
    .command("maintenance")
    .description("Refuse writes for a while, and start nothing new; reading goes on")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Without a command it prints the state. During maintenance, callers get 503 with the message, git refuses
pushes with it, and each page shows it. Runs in progress go on and save their work, and queued ones wait.
It lasts until it is ended, also over restarts.

Examples:
  omoi admin maintenance on --message "Moving to a new disk, back at 18:00 UTC"
  omoi admin maintenance
  omoi admin maintenance off`,
    )
    .action(({ json }: AdminOptions) =>
      inInstallation(async ({ db }) => show(json, stateOf(await readMaintenance(db)))),
    );
  maintenance
    .command("on")
    .description("Begin maintenance, or change its message")
    .requiredOption("-m, --message <TEXT>", "what callers are told: one line, 500 characters")
    .option("--json", "print JSON")
    .action(({ message }: { message: string }, command: Command) => {
      const parsed = maintenanceMessage.safeParse(message);
      if (!parsed.success) {
        throw new UsageError(`--message ${parsed.error.issues[0]?.message ?? "is not valid"}`);
      }
      const { json } = command.optsWithGlobals<AdminOptions>();
      return inInstallation(async (installation) =>
        show(json, await setMaintenance(await installation.adminContext(), parsed.data)),
      );
    });
  maintenance
    .command("off")
    .description("End maintenance")
    .option("--json", "print JSON")
    .action((_options: object, command: Command) => {
      const { json } = command.optsWithGlobals<AdminOptions>();
      return inInstallation(async (installation) =>
        show(json, await endMaintenance(await installation.adminContext())),
      );
    });
}

function show(json: boolean | undefined, state: MaintenanceState): void {
  print(json, state, () =>
    state.active
      ? `In maintenance since ${shownTime(state.since)}: ${state.message}`
      : "Not in maintenance.",
  );
}
