/**
 * `npm run package` makes a package of the command line alone, omoi-cli, for machines that need no server: it has none of
 * the dependencies. It packs a folder of its own, so that the project's package.json never changes. `npm pack` makes the
 * whole package.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureInstalled, requireNode, root, run } from "./prepare.mjs";

const files = ["dist/cli/main.js", "dist/cli/contract.json"];

/** Writes omoi-cli-VERSION.tgz into a folder. */
export function packCommandLine(destination, args = []) {
  const whole = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { version, license, type, bin, engines } = whole;
  const folder = join(root, `node_modules/.cache/omoi/package-${process.pid}`);
  for (const file of [...files, "README.md", "LICENSE"]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(join(root, file), join(folder, file));
  }
  const description = "The command line of Omoi, a self-hosted control plane for coding agents";
  const packed = { name: "omoi-cli", version, description, license, type, bin, files, engines };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(packed, null, 2)}\n`);
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  // A later --pack-destination takes its place.
  run("npm", ["pack", "--pack-destination", destination, ...args], { cwd: folder });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  requireNode();
  ensureInstalled();
  ensureBuilt();
  packCommandLine(root, process.argv.slice(2));
}
