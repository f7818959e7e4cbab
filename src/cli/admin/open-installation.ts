import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { withInstallation, type Installation } from "#server/admin/installation.js";
import { ConfigError } from "#shared/node/config-error.js";
import { readConfig, readSetting, type Config } from "#server/config/config.js";
import { settings } from "#server/config/settings.js";

/** Options shared by all operator commands. */
export interface AdminOptions {
  json?: boolean;
}

/**
 * Reads the server's configuration from the environment.
 * @throws ConfigError if the data folder does not exist: operator commands never create one
 */
export function existingConfig(): Config {
  const dataDir = readSetting(settings.dataDir);
  if (!existsSync(dataDir)) {
    throw new ConfigError(`The data folder ${dataDir} does not exist; set OMOI_DATA_DIR to it`);
  }
  return readConfig();
}

/** Opens the installation for the duration of a command. */
export function inInstallation<Result>(
  work: (installation: Installation) => Promise<Result>,
): Promise<Result> {
  return withInstallation(existingConfig(), operatorName(), work);
}

/** Returns the operator's account on this machine, also under sudo. */
function operatorName(): string {
  try {
    return process.env["SUDO_USER"] || userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? ""}`;
  }
}
