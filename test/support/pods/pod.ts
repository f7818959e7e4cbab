/**
 * The two containers of a run's pod, made by bubblewrap: each has its own processes and mounts, and both share the
 * volumes and the network, as in `docs/how-to/kubernetes.md`.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { builtFile, root } from "../server/built-files.js";

const UID = "10001";
export const SOCKET = "/run/omoi/socket/command.sock";

/** The command of the container of commands, as in the manifest. */
export const AGENT = [
  "/opt/omoi/lib/loader",
  "--library-path",
  "/opt/omoi/lib",
  "/opt/omoi/sh",
  "/opt/omoi/start",
  SOCKET,
];

export interface Container {
  process: ChildProcess;
  said: () => string;
  /** Resolves with the exit code; null after a signal. */
  ended: Promise<number | null>;
  /** Ends all its processes at once. */
  kill(): Promise<void>;
  /** Sends TERM to its first process. */
  terminate(): void;
}

export interface Pod {
  /** The path of a volume on this machine. */
  volume(name: "data" | "workspace" | "home" | "borrowed" | "socket"): string;
  startAgent(env?: Record<string, string>, command?: readonly string[]): Container;
  startRunner(runId: string, url: string, env: Record<string, string>): Container;
  remove(): Promise<void>;
}

/** Copies the tools as the init container does. Returns their folder. */
export async function copyTools(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-tools-"));
  execFileSync(process.execPath, [builtFile("pod/copy-tools.js"), folder]);
  return folder;
}

/** Makes the volumes of a pod. */
export async function makePod(tools: string): Promise<Pod> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-pod-"));
  const volume: Pod["volume"] = (name) => join(folder, name);
  for (const name of ["data", "workspace", "home", "borrowed", "socket"] as const) {
    await mkdir(volume(name));
  }
  await writeFile(join(folder, "termination-log"), "");
  const containers: Container[] = [];
  const start = (mounts: string[], command: readonly string[], env: Record<string, string>) => {
    const container = startContainer([...systemMounts(), ...mounts], command, env);
    containers.push(container);
    return container;
  };
  const shared = [
    "--bind",
    volume("workspace"),
    "/workspace",
    "--bind",
    volume("home"),
    "/home/agent",
    "--bind",
    volume("socket"),
    dirname(SOCKET),
  ];
  return {
    volume,
    startAgent: (env = {}, command = AGENT) =>
      start(
        [...shared, "--ro-bind", volume("borrowed"), "/borrowed", "--ro-bind", tools, "/opt/omoi"],
        command,
        env,
      ),
    startRunner: (runId, url, env) =>
      start(
        [
          ...shared,
          "--bind",
          volume("borrowed"),
          "/borrowed",
          "--bind",
          volume("data"),
          "/data",
          "--bind",
          join(folder, "termination-log"),
          "/dev/termination-log",
          "--ro-bind",
          root,
          root,
        ],
        [
          process.execPath,
          builtFile("cli/main.js"),
          "runner",
          "--run",
          runId,
          "--url",
          url,
          "--data",
          "/data",
        ],
        { OMOI_COMMAND_SOCKET: SOCKET, ...env },
      ),
    remove: async () => {
      for (const container of containers) await container.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function startContainer(
  mounts: readonly string[],
  command: readonly string[],
  env: Record<string, string>,
): Container {
  const isolation = ["--unshare-pid", "--as-pid-1", "--unshare-user", "--die-with-parent"];
  const { PATH = "" } = process.env;
  const child = spawn(
    "bwrap",
    [...isolation, "--uid", UID, "--gid", UID, ...mounts, "--", ...command],
    { env: { PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  }
  const ended = once(child, "exit").then(([code]) => code as number | null);
  return {
    process: child,
    said: () => said,
    ended,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
    terminate: () => terminateFirst(child),
  };
}

/** Sends TERM to the first process of a container, unless it has ended. */
export function terminateFirst({ pid }: ChildProcess): void {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  const [first = ""] = stdout.split("\n");
  if (first !== "") process.kill(Number(first), "SIGTERM");
}

/**
 * The programs of this machine, read-only.
 * @param hasTemporary whether it has a folder for temporary files
 */
export function systemMounts(hasTemporary = true): string[] {
  const linked = ["/bin", "/sbin", "/lib", "/lib64"].filter((path) => existsSync(path));
  return [
    "--ro-bind",
    "/usr",
    "/usr",
    "--ro-bind",
    "/etc",
    "/etc",
    ...linked.flatMap((path) =>
      lstatSync(path).isSymbolicLink()
        ? ["--symlink", readlinkSync(path), path]
        : ["--ro-bind", path, path],
    ),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    ...(hasTemporary ? ["--tmpfs", "/tmp"] : []),
    ...(process.execPath.startsWith("/usr/")
      ? []
      : ["--ro-bind", dirname(process.execPath), dirname(process.execPath)]),
  ];
}
