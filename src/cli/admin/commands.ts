import type { Command } from "commander";
import { addBackupCommands } from "./backup.js";
import { addBackupsCommand } from "./backups.js";
import { addLoadDumpCommand } from "./load-dump.js";
import { addMaintenanceCommands } from "./maintenance.js";
import { addNodeCommands } from "./nodes.js";
import { addRunnerCommands } from "./runners.js";
import { addProjectCommands } from "./projects.js";
import { addSecretCommands } from "./secret.js";
import { addUserCommands } from "./users.js";
import { addVerifyCommand } from "./verify.js";

/** Adds `omoi admin …`, the commands for operators on the server's machine. */
export function addAdminCommands(program: Command): void {
  const admin = program
    .command("admin")
    .description("Run an installation: manage users, servers and runners, back up, verify")
    .addHelpText(
      "after",
      `
Run it on the server's machine, as the server's user and with its settings (OMOI_DATA_DIR,
OMOI_DATABASE_URL, …). The server may be running or stopped. Actions are recorded in the
installation's audit log.

Examples:
  omoi admin users
  omoi admin user reset-password ann@example.com
  OMOI_DATA_DIR=/var/lib/omoi omoi admin users --json

Exit codes: 0 done, 1 failed, 2 wrong usage, 4 not found, 5 conflict.`,
    );
  addUserCommands(admin);
  addMaintenanceCommands(admin);
  addNodeCommands(admin);
  addRunnerCommands(admin);
  addProjectCommands(admin);
  addSecretCommands(admin);
  addVerifyCommand(admin);
  addBackupCommands(admin);
  addBackupsCommand(admin);
  addLoadDumpCommand(admin);
}
