/** The program of the demo's agents, and the settings that let a server start it. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./prepare.mjs";

/**
 * Writes the program into a folder.
 * @returns settings of the server, beside those of this process
 */
export function demoSettings(folder) {
  const tools = join(folder, "tools");
  mkdirSync(tools, { recursive: true });
  for (const name of ["demo-agent.mjs", "plays.mjs"])
    copyFileSync(join(root, "src/server/demo/program", name), join(tools, name));
  const program = join(tools, "demo-agent");
  const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const command = [process.execPath, join(tools, "demo-agent.mjs")].map(quoted).join(" ");
  writeFileSync(program, `#!/bin/sh\nexec ${command}\n`);
  // Commands run as other users where the server runs as root.
  for (const path of [folder, tools, program]) chmodSync(path, 0o755);
  const { OMOI_SANDBOX_READONLY: further, OMOI_MODEL_PRICES: prices = "{}" } = process.env;
  const price = { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 };
  return {
    OMOI_SANDBOX_READONLY: further ? `${further}:${tools}` : tools,
    OMOI_MODEL_PRIVATE_HOSTS: "true",
    OMOI_MODEL_PRICES: JSON.stringify({ ...JSON.parse(prices), "demo-model": price }),
  };
}

/**
 * Returns the setting that lets the demo's scripts run where nothing can be isolated: they change only the folders of
 * their agents.
 */
export function sandboxSettings() {
  const { status } = spawnSync("bwrap", ["--ro-bind", "/", "/", "--unshare-all", "true"]);
  return status === 0 ? {} : { OMOI_SANDBOX: "off" };
}
