/**
 * `npm run dev`: the server and the web app from their sources, both reloaded when a file changes, on
 * a data folder of its own that is filled with the demo once.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();

const apiPort = process.env.OMOI_PORT ?? "8081";
const api = `http://127.0.0.1:${apiPort}`;
const dataDir = join(root, "data/dev");
mkdirSync(dataDir, { recursive: true });

const children = [];
const start = (args, env = {}) => {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ["pipe", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  children.push(child);
  return child;
};
const tsx = join(root, "node_modules/tsx/dist/cli.mjs");
const end = () => {
  for (const child of children) child.kill("SIGTERM");
};
process.on("SIGINT", end);
process.on("SIGTERM", end);

start([tsx, "watch", "--exclude", "data/**", "src/server/main.ts"], {
  OMOI_PORT: apiPort,
  OMOI_DATA_DIR: dataDir,
  // What links lead to is the development server, which passes the API on.
  OMOI_PUBLIC_URL: "http://127.0.0.1:8080",
  OMOI_SMTP_URL: "",
});
start(
  [
    join(root, "node_modules/vite/bin/vite.js"),
    "--host",
    "127.0.0.1",
    "--port",
    "8080",
    "--strictPort",
  ],
  {
    OMOI_DEV_API: api,
  },
);

const seeded = join(dataDir, "seeded");
if (!existsSync(seeded)) {
  await ready();
  const seeding = start([tsx, "src/server/demo/main.ts", api, join(dataDir, "outbox")]);
  seeding.once("exit", (code) => {
    // It runs on, keeping the demo's runs alive; an end by itself is a failure, to be tried again.
    if (code !== null && code !== 0) rmSync(seeded, { force: true });
  });
  writeFileSync(seeded, "");
}

async function ready() {
  for (;;) {
    const answer = await fetch(`${api}/readyz`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
