import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The file that every data folder has after its first start. */
const marker = "node.json";

/**
 * Returns the data folder of the commands that run without one: `data` of this folder if a server used it, else a
 * folder in the home of the user.
 */
export function defaultDataFolder(): string {
  const here = resolve("data");
  if (existsSync(join(here, marker))) return here;
  return join(process.env["XDG_DATA_HOME"] || join(homedir(), ".local/share"), "omoi");
}

/** Lets operator commands find the data of `omoi serve` without OMOI_DATA_DIR. */
export function findDataFolder(): void {
  if (process.env["OMOI_DATA_DIR"]) return;
  const folder = defaultDataFolder();
  if (existsSync(join(folder, marker))) process.env["OMOI_DATA_DIR"] = folder;
}
