/**
 * Networks of runs: a network namespace per run, connected to the outside by its own pasta(1),
 * which acts for the run in the host namespace. The machine's loopback, its abstract sockets and
 * other runs are unreachable.
 */
import { readlinkSync } from "node:fs";
import type { Readable } from "node:stream";
import { lastLine } from "../streams/last-line.js";
import { launch } from "../launch.js";
import { descendantsOf } from "../processes.js";
import { installCommand, programPath } from "../programs.js";
import { RESOLVERS } from "./resolver.js";
import { SandboxRefusal, type MissingProgram } from "../sandbox.js";
import { refusingCommands } from "./off-limits.js";

/** The network of one run. */
export interface RunNetwork {
  /** Arguments that start a program inside it. */
  enter: string[];
  /** The kernel's name of the namespace: `net:[4026532183]`. */
  namespace: string;
  /** The processes that keep it up, by host pid. */
  pids: number[];
  /** Closes it; settles once its processes are gone. */
  close(): Promise<void>;
}

export interface Networks {
  /** @throws SandboxRefusal */
  open(reach: Reach): Promise<RunNetwork>;
}

/** The reach of a network. */
interface Reach {
  /** Ports of the machine's 127.0.0.1, at the same ports of the run's loopback. */
  ports: readonly number[];
  /** Whether it reaches other machines. */
  reachesOutside: boolean;
}

/**
 * From the benchmarking range (RFC 2544) and unique local range (RFC 4193), which no real host
 * uses.
 */
export const ADDRESSES = { 4: "198.18.0.2", 6: "fd6f:6d6f:6e65::2" } as const;

/** The prefix length of the network of `ADDRESSES[4]` and the resolver. */
export const PREFIX_BITS = 30;

/** The interface of a run. */
export const INTERFACE = "net0";

/** Timeout for the busiest machine. */
const openMs = 15_000;

/**
 * Finds the programs; the probe checks whether they work.
 * @param uid the user of pasta if the server is root
 */
export function findNetworks(uid: number): Networks | MissingProgram {
  const isRoot = process.getuid?.() === 0;
  const names = ["pasta", "ip", "nsenter", "sh", "cat"];
  if (isRoot) names.push("unshare", "mount", "mknod", "setpriv");
  const programs = new Map<string, string>();
  for (const name of names) {
    const path = programPath(name);
    if (path === null) {
      return {
        missing: `Runs with a network need the program ${name}, which is not installed`,
        install: installCommand(PACKAGES.get(name) ?? name),
      };
    }
    programs.set(name, path);
  }
  const program = (name: string): string => programs.get(name) as string;
  return {
    async open(reach) {
      const child = launch(
        [...(isRoot ? asUser(uid, program) : []), ...pastaCommand(reach, program)],
        {
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
          stdio: ["pipe", "pipe", "pipe"],
        },
      );
      return connected(child, (pid) =>
        isRoot
          ? [program("nsenter"), `--net=/proc/${pid}/ns/net`, "--"]
          : [program("nsenter"), "--user", "--net", "--preserve-credentials", `-t${pid}`, "--"],
      );
    },
  };
}

const PACKAGES = new Map([
  ["pasta", "passt"],
  ["ip", "iproute2"],
  ["nsenter", "util-linux"],
  ["unshare", "util-linux"],
  ["mount", "util-linux"],
  ["setpriv", "util-linux"],
  ["cat", "coreutils"],
  ["mknod", "coreutils"],
]);

/**
 * Drops root for a dedicated user. /dev/net/tun is created anew, since many machines restrict
 * theirs to root; using it requires rights in a network namespace anyway.
 */
function asUser(uid: number, program: (name: string) => string): string[] {
  const mount = `${program("mount")} -t tmpfs -o mode=0755,size=64k tmpfs /dev/net`;
  const device = `${program("mknod")} -m 0666 /dev/net/tun c 10 200`;
  const ids = [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
  const rights = ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"];
  return [
    [program("unshare"), "--mount", "--propagation", "slave", "--"],
    [program("sh"), "-c", `${mount} && ${device} && exec "$@"`, "sh"],
    [program("setpriv"), ...ids, ...rights, "--"],
  ].flat();
}

/**
 * pasta, with a command inside its namespace that blocks some addresses, reports readiness, and
 * keeps the namespace until its input closes, which happens when the server ends. Without access to
 * the outside its interface has no address and stays down, and the run has no right to change that.
 */
function pastaCommand(
  { ports, reachesOutside }: Reach,
  program: (name: string) => string,
): string[] {
  const outside = [
    ["--config-net"],
    // Disables pasta's default mapping of the machine's loopback to the gateway.
    ["--no-map-gw", "--gateway", RESOLVERS[4], "--netmask", String(PREFIX_BITS)],
    Object.values(ADDRESSES).flatMap((address) => ["--address", address]),
    Object.values(RESOLVERS).flatMap((address) => ["--dns-forward", address]),
  ];
  const blocking = reachesOutside ? `${refusingCommands(program("ip"))};` : "";
  return [
    [program("pasta"), "--foreground", "--quiet", "--ns-ifname", INTERFACE],
    ["--no-dhcp", "--no-dhcpv6", "--no-ra"],
    reachesOutside ? outside.flat() : [],
    // Forwards single ports, from the run to the server.
    ["--tcp-ports", "none", "--udp-ports", "none", "--udp-ns", "none"],
    ["--tcp-ns", ports.length === 0 ? "none" : ports.join(",")],
    ["--", program("sh"), "-c"],
    [`set -e; ${blocking} echo ready; exec ${program("cat")}`],
  ].flat();
}

async function connected(
  child: ReturnType<typeof launch>,
  enter: (pid: number) => string[],
): Promise<RunNetwork> {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  child.stdin?.on("error", () => undefined);
  // pasta leaves its child in the namespace if it fails: kill the whole group.
  const killGroup = (): void => {
    try {
      process.kill(-(child.pid as number), "SIGKILL");
    } catch {
      // No process is left in it.
    }
  };
  const ended = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      said ||= error.message;
      resolve();
    });
    child.on("exit", killGroup);
    child.on("close", () => resolve());
  });
  const close = async (): Promise<void> => {
    child.stdin?.destroy();
    if (child.pid !== undefined) killGroup();
    await ended;
  };
  const isReady = await Promise.race([
    firstLine(child.stdout as Readable),
    ended.then(() => false),
    new Promise<false>((resolve) => {
      setTimeout(() => resolve(false), openMs).unref();
    }),
  ]);
  const holder = isReady ? descendantsOf(child.pid as number)[0] : undefined;
  const namespace = holder === undefined ? null : namespaceOf(holder.pid);
  if (holder === undefined || namespace === null || namespace === namespaceOf("self")) {
    await close();
    throw new SandboxRefusal(
      `A network for the run could not be created (${lastLine(said)}); ` +
        "pasta needs /dev/net/tun and user namespaces",
    );
  }
  return { enter: enter(holder.pid), namespace, pids: [child.pid as number, holder.pid], close };
}

async function firstLine(output: Readable): Promise<boolean> {
  for await (const _ of output) return true;
  return false;
}

/** Returns the network namespace of a process in the kernel's naming; null if unknown. */
export function namespaceOf(pid: number | "self"): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}
