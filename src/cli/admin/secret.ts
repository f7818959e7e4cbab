import type { Command } from "commander";
import { rotateSecret } from "#server/admin/rotate-secret.js";
import { print } from "./output.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";

/** Adds `omoi admin secret`. */
export function addSecretCommands(admin: Command): void {
  const secret = admin.command("secret").description("Change the installation's secret");
  secret
    .command("rotate")
    .description("Replace the secret; API keys stay valid, sessions end")
    .option(
      "--new-secret-file <FILE>",
      "the new secret, if the server reads its secret from OMOI_SECRET",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Stop the server first. If the command is interrupted at any point, run it again.

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
            : ` The old secret could not decrypt ${result.unreadable} values, which stay as they are.`;
        return `Re-encrypted ${result.encrypted} values and ended ${result.sessions_ended} sessions.${unreadable} ${next}`;
      });
    });
}
