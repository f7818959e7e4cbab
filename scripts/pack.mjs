/**
 * `npm pack` makes a package of the command line alone, for `npx omoi`: it needs none of the server's
 * dependencies. While it packs, package.json has only what that package needs.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

const path = join(root, "package.json");
/** The whole file meanwhile; what an interrupted run left is restored by the next one. */
const kept = join(root, "node_modules/.cache/omoi/package.json");

function restore() {
  if (existsSync(kept)) renameSync(kept, path);
}

function strip() {
  restore();
  requireNode();
  ensureInstalled();
  ensureBuilt();
  const whole = readFileSync(path, "utf8");
  const { name, version, description, license, bin, files, type, engines } = JSON.parse(whole);
  mkdirSync(dirname(kept), { recursive: true });
  writeFileSync(kept, whole);
  const packed = { name, version, description, license, type, bin, files, engines };
  writeFileSync(path, `${JSON.stringify(packed, null, 2)}\n`);
}

if (process.argv[2] === "restore") restore();
else strip();
