/**
 * The network of a container. The engine gives it none; the server enters its network namespace and opens
 * there what a run of its own sandbox has, while the command waits.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readTextOrEmpty, resolverConfiguration } from "../network/resolver.js";
import { moveNetwork } from "../network/move-network.js";
import { findNetworks, namespaceOf, type Networks, type RunNetwork } from "../network/network.js";
import { installCommand, programPath } from "../programs.js";
import {
  SandboxRefusal,
  type MissingProgram,
  type NetworkSupport,
  type SandboxInput,
} from "../sandbox.js";
import { openPorts, type ContainerPorts } from "./container-ports.js";
import type { DockerApi } from "./docker-api.js";

/** The open network of one container. */
export interface ContainerNetwork {
  /** Closes it with its connections; settles once its processes are gone. */
  close(): Promise<void>;
}

export interface ContainerNetworks {
  /** Tries what this server can open in containers. */
  support(): Promise<Record<"restrictedNetwork" | "fullNetwork", NetworkSupport>>;
  /**
   * Opens the network of a container whose command waits.
   * @param pid the container's first process
   * @throws SandboxRefusal if the container's processes are not those of this machine
   */
  open(
    container: string,
    pid: number,
    input: Pick<SandboxInput, "network" | "ports">,
  ): Promise<ContainerNetwork>;
}

/** @param uid the user of the network processes */
export function containerNetworks(api: DockerApi, uid: number): ContainerNetworks {
  const networks = findNetworks(uid);
  return {
    async support() {
      const entry = entrySupport();
      const full = entry.isolated ? await tryNetwork(networks) : entry;
      return { restrictedNetwork: entry, fullNetwork: full };
    },
    async open(container, pid, { network, ports = [] }) {
      assertEntry(container, pid);
      const opened = await openPorts(pid, ports);
      if (network !== "full") return closing(opened, null);
      let outside: RunNetwork | null = null;
      try {
        outside = await openOutside(networks);
        await moveNetwork(outside, pid, await bridgeNetworks(api));
        return closing(opened, outside);
      } catch (error) {
        await closing(opened, outside).close();
        throw error;
      }
    },
  };
}

/** Returns whether this server can enter the network of a container. */
function entrySupport(): NetworkSupport {
  if (process.getuid?.() !== 0) {
    const reason =
      "Only a server that runs as root can open a network inside a container, so runs in containers have none";
    return { isolated: false, reason, install: null };
  }
  if (programPath("nsenter") === null) {
    const reason = "The network of containers needs the program nsenter, which is not installed";
    return { isolated: false, reason, install: installCommand("util-linux") };
  }
  return { isolated: true, reason: null, install: null };
}

async function tryNetwork(networks: Networks | MissingProgram): Promise<NetworkSupport> {
  try {
    await (await openOutside(networks)).close();
    return { isolated: true, reason: null, install: null };
  } catch (error) {
    if (!(error instanceof SandboxRefusal)) throw error;
    return { isolated: false, reason: error.message, install: error.install };
  }
}

/** @throws SandboxRefusal */
async function openOutside(networks: Networks | MissingProgram): Promise<RunNetwork> {
  if ("missing" in networks) throw new SandboxRefusal(networks.missing, networks.install);
  // The server relays the ports itself: pasta would listen in its own namespace.
  return networks.open({ ports: [], reachesOutside: true });
}

/** @throws SandboxRefusal if the server cannot enter the network of this container alone */
function assertEntry(container: string, pid: number): void {
  if (pid === 0) throw new SandboxRefusal("The container ended before its command started.");
  const namespace = namespaceOf(pid);
  // A server in a container sees other processes under the engine's ids.
  if (isOf(container, pid) && namespace !== null && namespace !== namespaceOf("self")) return;
  throw new SandboxRefusal(
    "The network of the container cannot be opened: the server does not see the processes of the Docker engine. Let Omoi run in the engine's PID namespace (--pid=host).",
  );
}

/** Whether a process belongs to a container, by its control groups. */
function isOf(container: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "latin1").includes(container);
  } catch {
    return false;
  }
}

/**
 * Returns the networks of other containers, in CIDR notation. Podman makes the bridge of a network with
 * its first container, so this machine's interfaces do not show all of them.
 */
async function bridgeNetworks(api: DockerApi): Promise<string[]> {
  const listed = (await api.call("GET", "/networks")) as {
    Driver: string;
    IPAM?: { Config?: { Subnet?: string }[] | null } | null;
  }[];
  return listed
    .filter(({ Driver }) => Driver === "bridge")
    .flatMap(({ IPAM }) => IPAM?.Config ?? [])
    .flatMap(({ Subnet }) => Subnet ?? []);
}

/** The mode of a file that everybody may read. */
const readable = 0o644;

/**
 * Writes the resolv.conf(5) of containers with the network `full`, if the machine's resolvers have
 * changed. The engine mounts it: Podman has no other way for a container without network.
 * @returns its path, in the data folder, which the engine sees
 */
export function writeResolver(dataDir: string): string {
  const folder = join(dataDir, "sandbox");
  const path = join(folder, "resolv.conf");
  const content = resolverConfiguration();
  if (readTextOrEmpty(path) === content && (statSync(path).mode & 0o777) === readable) return path;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Containers keep the file that was mounted.
  const written = `${path}.${process.pid}`;
  writeFileSync(written, content);
  // Independent of the umask, since the container has another user.
  chmodSync(written, readable);
  renameSync(written, path);
  return path;
}

function closing(ports: ContainerPorts, outside: RunNetwork | null): ContainerNetwork {
  return {
    async close() {
      ports.close();
      await outside?.close();
    },
  };
}
