import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { withInstallation, type Installation } from "#server/admin/installation.js";
import { ConfigError } from "#shared/node/config-error.js";
import { readConfig, readSetting, type Config } from "#server/config/config.js";
import { settings } from "#server/config/settings.js";

/** Options that all commands of an operator take. */
export interface AdminOptions {
  json?: boolean;
}

/**
 * The settings of the installation: the server's own environment variables.
 * @throws ConfigError where the data folder is not there: this command makes none
 */
export function existingConfig(): Config {
  const dataDir = readSetting(settings.dataDir);
  if (!existsSync(dataDir)) {
    throw new ConfigError(`There is no data folder ${dataDir}; set OMOI_DATA_DIR to it`);
  }
  return readConfig();
}

/** Opens the installation for the work of a command. */
export function inInstallation<Result>(
  work: (installation: Installation) => Promise<Result>,
): Promise<Result> {
  return withInstallation(existingConfig(), operatorName(), work);
}

/** The account of the operator on this machine, behind sudo as well. */
function operatorName(): string {
  try {
    return process.env["SUDO_USER"] || userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? ""}`;
  }
}
