/** Builds deploy/Dockerfile with a real Docker on a debootstrap base image, and runs it. */
import { cpSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  engineImage,
  startRealEngine,
  engineUnavailableReason,
  type Engine,
} from "../support/sandbox/real-engines.js";
import { freePort } from "../support/server/free-port.js";
import { findNode } from "../support/server/node-program.js";
import { runScenario } from "../support/server/end-to-end-scenario.js";

const root = join(import.meta.dirname, "../..");
const base = "omoi-test-node:24";
const certificates = "/etc/ssl/certs/ca-certificates.crt";
const node24 = engineUnavailableReason("docker") === null ? findNode("24") : null;
const reason =
  engineUnavailableReason("docker") ?? (node24 === null ? "npm cannot install node@24" : null);

let engine: Engine;

/** Debian with Node and npm, and this machine's certificate authorities. */
function buildBase(): void {
  const folder = mkdtempSync(join(tmpdir(), "omoi-base-"));
  const npm = spawnSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).stdout.trim();
  cpSync(node24 as string, join(folder, "node"));
  cpSync(dirname(dirname(realpathSync(npm))), join(folder, "npm"), { recursive: true });
  cpSync(certificates, join(folder, "authorities.crt"));
  const lines = [
    `FROM ${engineImage}`,
    "COPY node /usr/local/bin/node",
    "COPY npm /usr/local/lib/node_modules/npm",
    `COPY authorities.crt ${certificates}`,
    "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm",
    `ENV NODE_EXTRA_CA_CERTS=${certificates} PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  ];
  writeFileSync(join(folder, "Dockerfile"), lines.join("\n"));
  engine.cli(["build", "--tag", base, folder]);
  rmSync(folder, { recursive: true });
}

beforeAll(async () => {
  if (reason !== null) return;
  engine = await startRealEngine("docker");
  buildBase();
  const options = ["--network", "host", "--build-arg", `BASE=${base}`, "--tag", "omoi"];
  engine.cli(["build", ...options, "--file", join(root, "deploy/Dockerfile"), root]);
}, 900_000);

afterAll(async () => {
  await engine?.close();
});

beforeEach(({ skip }) => {
  if (reason !== null) skip(reason);
});

async function untilHealthy(name: string): Promise<void> {
  while (engine.cli(["inspect", "-f", "{{.State.Health.Status}}", name]) !== "healthy") {
    if (engine.cli(["inspect", "-f", "{{.State.Running}}", name]) !== "true") {
      throw new Error(engine.cli(["logs", name]));
    }
    await pause(500);
  }
}

const inside = (name: string, ...command: string[]): string =>
  engine.cli(["exec", name, ...command]);

test("without options, it serves as an unprivileged user and explains why it refuses runs", async () => {
  engine.cli(["run", "--detach", "--name", "plain", "omoi"]);
  await untilHealthy("plain");
  expect(inside("plain", "id", "-u")).toBe("10001");
  expect(inside("plain", "sh", "-c", "ls node_modules | grep -x typescript || true")).toBe("");
  const ask = "fetch('http://127.0.0.1:8080/readyz').then((a) => a.text()).then(console.log)";
  const { sandbox } = JSON.parse(inside("plain", "node", "-e", ask)) as {
    sandbox: { mode: string; reason: string };
  };
  expect(sandbox.mode).toBe("unavailable");
  expect(sandbox.reason).toContain("--security-opt seccomp=unconfined");
  engine.cli(["stop", "--time", "30", "plain"]);
  expect(engine.cli(["inspect", "-f", "{{.State.ExitCode}}", "plain"])).toBe("0");
});

test("with the options of the guide it runs commands of agents", async () => {
  const port = await freePort();
  const unconfined = ["seccomp=unconfined", "systempaths=unconfined", "no-new-privileges"];
  const options = [
    "--cap-drop",
    "ALL",
    ...unconfined.flatMap((option) => ["--security-opt", option]),
  ];
  const publish = ["--publish", `127.0.0.1:${port}:8080`];
  engine.cli(["run", "--detach", "--name", "full", ...options, ...publish, "omoi"]);
  await untilHealthy("full");
  const write = async (path: string, text: string): Promise<void> => {
    engine.cli(["exec", "--interactive", "full", "sh", "-c", 'cat > "$0"', path], text);
  };
  await runScenario(`http://127.0.0.1:${port}`, { write });
});
