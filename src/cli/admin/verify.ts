import type { Command } from "commander";
import { verifyInstallation, type Verification } from "#server/admin/verify.js";
import { exitCodes, print } from "./output.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";

/** Adds `omoi admin verify`. */
export function addVerifyCommand(admin: Command): void {
  admin
    .command("verify")
    .description("Check repositories, workspaces, merges, logs and encrypted values")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Changes nothing; the server may be running. Exits with 1 if it finds a problem.

Examples:
  omoi admin verify
  omoi admin verify --json > report.json`,
    )
    .action(async ({ json }: AdminOptions) => {
      const show = (checked: string): void => {
        if (json !== true) process.stderr.write(`Checking ${checked}…\n`);
      };
      const report = await inInstallation((installation) => verifyInstallation(installation, show));
      print(json, report, () => textOf(report));
      if (!report.clean) process.exitCode = exitCodes.failed;
    });
}

function textOf(report: Verification): string {
  const { installation_log: log, audit, merges, repositories, logs, encrypted } = report;
  const faults = [
    ...log.faults.map(({ sequence, reason }) => `installation log: event ${sequence}: ${reason}`),
    ...audit.flatMap(({ slug, faults }) =>
      faults.map(({ sequence, reason }) => `${slug}: audit event ${sequence}: ${reason}`),
    ),
    ...repositories.flatMap(({ slug, faults }) =>
      faults.map(({ project, reason }) => `${slug}/${project}: ${reason}`),
    ),
    ...merges.flatMap(({ slug, faults }) =>
      faults.map(({ id, reason }) => `${slug}: merge ${id}: ${reason}`),
    ),
    ...logs.flatMap(({ slug, faults }) =>
      faults.map(({ run, reason }) => `${slug}: run ${run}: ${reason}`),
    ),
    ...(encrypted.unreadable === 0
      ? []
      : [`the secret does not decrypt ${encrypted.unreadable} of ${encrypted.values} values`]),
  ];
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  const checked = [
    `${log.events} events of the installation`,
    `${sum(audit.map(({ events }) => events))} audit events`,
    `${sum(repositories.map((report) => report.repositories))} repositories with their workspaces`,
    `${sum(merges.map((report) => report.merges))} merges`,
    `${sum(logs.map((report) => report.logs))} logs of runs`,
    `${encrypted.values} encrypted values`,
  ].join(", ");
  if (faults.length === 0) return `Intact: ${checked}.`;
  return [...faults.map((fault) => `BROKEN  ${fault}`), `Checked: ${checked}.`].join("\n");
}
