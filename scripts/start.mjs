/**
 * `npm start`: installs and builds missing parts, then serves. `--demo`: the same on a temporary
 * data folder, seeded through the API and removed at the end.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { demoSettings, sandboxSettings } from "./demo-agent.mjs";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();

const server = join(root, "dist/server/main.js");
followNpm();
if (process.argv.includes("--demo")) demo();
else await import(pathToFileURL(server).href);

/** npm's shell dies on SIGTERM without notifying its child: watch for the end of the parent. */
function followNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, "SIGTERM");
  }, 500).unref();
}

function demo() {
  const folder = mkdtempSync(join(tmpdir(), "omoi-demo-"));
  const dataDir = join(folder, "data");
  const children = [];
  let ending = false;
  const end = (code) => {
    if (ending) return;
    ending = true;
    for (const child of children.toReversed()) child.kill("SIGTERM");
    const closed = children.map(
      (child) =>
        new Promise((resolve) =>
          child.exitCode === null ? child.once("exit", resolve) : resolve(),
        ),
    );
    void Promise.all(closed).then(() => {
      rmSync(folder, { recursive: true, force: true });
      process.exit(code);
    });
  };
  const start = (args, options) => {
    const child = spawn(process.execPath, args, options);
    children.push(child);
    child.once("exit", (code) => end(code ?? 1));
    return child;
  };
  process.on("SIGINT", () => end(0));
  process.on("SIGTERM", () => end(0));

  const sandbox = sandboxSettings();
  if (sandbox.OMOI_SANDBOX === "off" && process.env.OMOI_SANDBOX === undefined)
    process.stdout.write("No sandbox works on this machine: the demo's scripts run without one.\n");
  const serving = start([server], {
    cwd: root,
    env: {
      OMOI_LOG_LEVEL: "warn",
      ...sandbox,
      ...process.env,
      ...demoSettings(folder),
      OMOI_DATA_DIR: dataDir,
      // The demo's people are fictional: send them no mail, and let them register.
      OMOI_SMTP_URL: "",
      OMOI_REGISTRATION: "open",
    },
    stdio: ["ignore", "pipe", "inherit"],
    // Ctrl-C reaches only this process, which stops the others in order.
    detached: true,
  });
  let text = "";
  serving.stdout.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
    const url = /^Omoi is ready: (\S+)$/m.exec(text)?.[1];
    if (url === undefined || children.length > 1 || ending) return;
    process.stdout.write(`Omoi is ready: ${url}\nSeeding the demo through the API…\n`);
    start([join(root, "dist/server/demo/main.js"), url, join(dataDir, "outbox")], {
      cwd: root,
      stdio: ["pipe", "inherit", "inherit"],
      detached: true,
    });
  });
}
