import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../temporary-folders.js";

/**
 * Returns the Node program of a version from npm's package `node`, cached between runs; null if npm
 * fails.
 */
export function findNode(version: string): string | null {
  const cache = join(cacheFolder, "omoi-node", version);
  const program = join(cache, "node_modules/node/bin/node");
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", cache];
  const { status } = spawnSync("npm", [...args, `node@${version}`], { cwd: cache });
  return status === 0 && existsSync(program) ? program : null;
}
