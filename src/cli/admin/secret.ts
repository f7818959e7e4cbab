import type { Command } from "commander";
import { rotateSecret } from "#server/admin/rotate-secret.js";
import { print } from "../output.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";

/** Adds `omoi admin secret`. */
export function addSecretCommands(admin: Command): void {
  const secret = admin.command("secret").description("Change the installation's secret");
  secret
    .command("rotate")
    .description("Put a new secret in place; API keys go on to work, sessions end")
    .option("--new-secret-file <FILE>", "the new secret, where the server's comes from OMOI_SECRET")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Stop the server first. Cut off at any point, the command can be run again.

Examples:
  omoi admin secret rotate
  openssl rand -hex 32 > new-secret && omoi admin secret rotate --new-secret-file new-secret`,
    )
    .action(async ({ json, newSecretFile }: AdminOptions & { newSecretFile?: string }) => {
      const result = await inInstallation((installation) =>
        rotateSecret(installation, newSecretFile ?? null),
      );
      print(json, result, () => {
        const next = result.sets_environment
          ? `Set OMOI_SECRET to the content of ${result.file}, then start Omoi.`
          : `The new secret is in ${result.file}; start Omoi.`;
        const unreadable =
          result.unreadable === 0
            ? ""
            : ` The old secret did not open ${result.unreadable} values, which stay as they are.`;
        return `${result.encrypted} values are encrypted anew and ${result.sessions_ended} sessions have ended.${unreadable} ${next}`;
      });
    });
}
