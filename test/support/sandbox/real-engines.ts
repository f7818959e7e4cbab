/** Real container engines, started for a test with their own folders and sockets. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { cacheFolder } from "../temporary-folders.js";
import { isThorough } from "../thorough.js";

export type EngineName = "docker" | "podman";

export interface Engine {
  socket: string;
  /** This machine's address on the containers' network. */
  gateway: string;
  /** Runs Docker's command line and returns its output. @throws if it fails */
  cli(args: readonly string[], input?: string): string;
  close(): Promise<void>;
}

/** The image for commands: a minimal Debian with git made by debootstrap, and this Node. */
export const engineImage = "omoi-test-debian:trixie";

const programs: Record<EngineName, readonly string[]> = {
  docker: ["/usr/sbin/dockerd", "/usr/bin/docker"],
  podman: ["/usr/bin/podman", "/usr/bin/docker", "/usr/bin/catatonit"],
};

/** Returns why an engine cannot be tested here, as a sentence; null if it can. */
export function engineUnavailableReason(name: EngineName): string | null {
  if (!isThorough) return "Engines are started with THOROUGH=1 alone.";
  if (process.getuid?.() !== 0) return "Engines are started by root alone.";
  const missing = [...programs[name], "/usr/sbin/debootstrap"].filter((path) => !existsSync(path));
  return missing.length === 0 ? null : `${missing.join(" and ")} must be installed.`;
}

/** Debian's base system, created once for all tests of this machine. */
function rootFileSystem(): string {
  const folder = join(cacheFolder, "omoi-debian-trixie-git");
  if (!existsSync(folder)) {
    const made = mkdtempSync(`${folder}-`);
    const { status, stdout } = spawnSync(
      "debootstrap",
      ["--variant=minbase", "--include=git", "trixie", made, "http://deb.debian.org/debian"],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`debootstrap: ${stdout.slice(-500)}`);
    chmodSync(made, 0o755);
    try {
      renameSync(made, folder);
    } catch {
      // Another test was faster.
      rmSync(made, { recursive: true });
    }
  }
  return folder;
}

/** Starts an engine and imports the image. */
export async function startRealEngine(name: EngineName): Promise<Engine> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(name);
    } catch (error) {
      // Engines of two test processes that start at once dispute the machine's firewall.
      if (attempt === 3) throw error;
      await pause(5000 * attempt);
    }
  }
}

async function startOnce(name: EngineName): Promise<Engine> {
  const root = rootFileSystem();
  const folder = mkdtempSync(join(tmpdir(), `omoi-${name}-`));
  const socket = join(folder, "engine.sock");
  const [program, ...args] = commandOf(name, folder, socket);
  let said = "";
  const engine = spawn(program as string, args, {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  engine.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (said = (said + text).slice(-2000)));
  const close = async (): Promise<void> => {
    if (engine.exitCode === null) {
      engine.kill("SIGTERM");
      await once(engine, "exit");
    }
    // Container networks stay mounted.
    const mounts = readFileSync("/proc/self/mounts", "utf8").matchAll(/^\S+ (\S+)/gm);
    const below = [...mounts]
      .map(([, path = ""]) => path)
      .filter((path) => path.startsWith(folder));
    if (below.length > 0) spawnSync("umount", ["--lazy", ...below.toReversed()]);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    while (!(await answers(socket))) {
      if (engine.exitCode !== null) throw new Error(`${name} ended: ${said}`);
      await pause(100);
    }
    await importImage(root, socket);
    return {
      socket,
      gateway: name === "docker" ? "172.17.0.1" : "10.88.0.1",
      cli: cliOf(socket),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function commandOf(name: EngineName, folder: string, socket: string): string[] {
  const at = (path: string): string => join(folder, path);
  if (name === "docker") {
    const places = ["--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid")];
    return ["dockerd", ...places, "--host", `unix://${socket}`];
  }
  const places = ["--root", at("data"), "--runroot", at("run")];
  // Without systemd; crun refuses machines with control groups of both versions.
  const ways = [
    "--cgroup-manager",
    "cgroupfs",
    ...(existsSync("/usr/sbin/runc") ? ["--runtime", "/usr/sbin/runc"] : []),
  ];
  return ["podman", ...places, ...ways, "system", "service", "--time=0", `unix://${socket}`];
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    request({ socketPath, path: "/_ping" }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    })
      .on("error", () => resolve(false))
      .end();
  });
}

async function importImage(root: string, socket: string): Promise<void> {
  const node = [process.execPath, "--transform", "s|.*/node$|usr/local/bin/node|"];
  const tar = spawn("tar", ["-P", "-C", root, "-c", ".", ...node], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const docker: ChildProcess = spawn(
    "docker",
    ["-H", `unix://${socket}`, "import", "-", engineImage],
    {
      stdio: [tar.stdout, "ignore", "pipe"],
    },
  );
  let said = "";
  docker.stderr?.on("data", (text) => (said += String(text)));
  const [code] = (await once(docker, "exit")) as [number | null];
  if (code !== 0) throw new Error(`docker import: ${said}`);
}

function cliOf(socket: string): Engine["cli"] {
  // The engine's built-in builder: BuildKit is a separate package.
  const env = { PATH: process.env["PATH"], HOME: "/nonexistent", DOCKER_BUILDKIT: "0" };
  return (args, input) => {
    const options = { encoding: "utf8", env, input, maxBuffer: 64 << 20 } as const;
    const all = ["-H", `unix://${socket}`, ...args];
    const { status, stdout, stderr } = spawnSync("docker", all, options);
    if (status !== 0) throw new Error(`docker ${args.join(" ")}: ${stdout.slice(-2000)}${stderr}`);
    return stdout.trim();
  };
}
