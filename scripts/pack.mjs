/**
 * `npm pack` makes a package of the command line alone, for `npx omoi`: it needs none of the server's
 * dependencies. While it packs, package.json has only what that package needs.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

const path = join(root, "package.json");
/** The whole file meanwhile; what an interrupted run left is restored by the next one. */
const kept = join(root, "node_modules/.cache/omoi/package.json");

function restore() {
  if (!existsSync(kept)) return;
  // A file that was changed since is no longer the one of the package.
  const isStripped = readFileSync(path, "utf8") === strippedFrom(readFileSync(kept, "utf8"));
  if (isStripped) renameSync(kept, path);
  else rmSync(kept);
}

/** Returns the part of package.json that the package needs. */
function strippedFrom(whole) {
  const { name, version, description, license, type, bin, files, engines } = JSON.parse(whole);
  const packed = { name, version, description, license, type, bin, files, engines };
  return `${JSON.stringify(packed, null, 2)}\n`;
}

function strip() {
  restore();
  requireNode();
  ensureInstalled();
  ensureBuilt();
  const whole = readFileSync(path, "utf8");
  mkdirSync(dirname(kept), { recursive: true });
  writeFileSync(kept, whole);
  writeFileSync(path, strippedFrom(whole));
}

if (process.argv[2] === "restore") restore();
else strip();
