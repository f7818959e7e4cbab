/**
 * `npm run dev`: runs server and web app from source with reload on changes, on a separate data
 * folder seeded once with the demo.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { demoSettings } from "./demo-agent.mjs";
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
  ...demoSettings(join(root, "data/dev-tools")),
  OMOI_PORT: apiPort,
  OMOI_DATA_DIR: dataDir,
  // Links lead to the development server, which proxies the API.
  OMOI_PUBLIC_URL: "http://127.0.0.1:8080",
  OMOI_SMTP_URL: "",
  OMOI_REGISTRATION: "open",
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
    // The seeder keeps running to keep the demo's runs alive; an exit by itself is a failure: retry
    // next time.
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
