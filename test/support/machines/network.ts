/**
 * A local network of machines: a bridge, and a network namespace with a cable to it for each of them. The bridge has a
 * namespace, too: rules of this machine, such as those of Docker, would apply to its packets.
 */
import { spawnSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { recordNetworkPart } from "./network-parts.js";

/** A machine's place in the network. */
export interface Station {
  readonly name: string;
  readonly address: string;
  /** The network namespace. */
  readonly namespace: string;
  /** Cuts the machine off from all others, or connects it again (`ip link set down`). */
  link(state: "up" | "down"): void;
  /** Lets all packets to an address vanish, or stops doing so. */
  blackhole(address: string, isOn: boolean): void;
}

export interface LocalNetwork {
  /** The address of the test itself. */
  readonly address: string;
  addStation(name: string): Station;
  /** Removes the bridge and all namespaces. Their processes must have ended. */
  close(): void;
}

/** An Ethernet address that no machine has. */
const NO_MACHINE = "02:00:00:00:00:01";

/** @throws Error with the message of `ip` */
function ip(...args: string[]): void {
  const { status, stderr, error } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${error?.message ?? stderr}`);
}

/** Adds a network namespace. */
function addNamespace(name: string): void {
  ip("netns", "add", name);
  recordNetworkPart("namespace", name);
}

/** Returns why machines cannot be made here, or null. */
export function whyNoMachines(): string | null {
  if (process.platform !== "linux") return "network namespaces exist on Linux only";
  if (process.getuid?.() !== 0) return "only root can add network namespaces";
  const probe = `omoi-probe-${process.pid}`;
  try {
    addNamespace(probe);
  } catch (error) {
    return `this machine permits no network namespaces: ${(error as Error).message.trim()}`;
  }
  try {
    ip("-netns", probe, "link", "add", "bridge", "type", "bridge");
    const own = ["netns", "exec", probe, "unshare", "--pid", "--mount", "--uts", "--fork", "true"];
    ip(...own);
    return null;
  } catch (error) {
    return `this machine permits no bridges or namespaces: ${(error as Error).message.trim()}`;
  } finally {
    ip("netns", "delete", probe);
  }
}

/** Connects this machine with a namespace by a device that has the name of its subnet: the kernel permits one of a name. */
function addCable(namespace: string): { own: string; subnet: string } {
  for (let attempt = 1; ; attempt += 1) {
    const [second, third] = [200 + randomInt(50), randomInt(256)];
    const own = `omoi-${second}-${third}`;
    try {
      ip("link", "add", own, "type", "veth", "peer", own, "netns", namespace);
      recordNetworkPart("device", own);
      return { own, subnet: `10.${second}.${third}` };
    } catch (error) {
      if (attempt === 20) throw error;
    }
  }
}

/** Makes a network of its own, with addresses that no other test of this machine uses. */
export function openNetwork(): LocalNetwork {
  const id = randomBytes(3).toString("hex");
  const middle = `omoi-${id}`;
  const atBridge = (...args: string[]): void => ip("-netns", middle, "link", ...args);
  addNamespace(middle);
  atBridge("add", "bridge", "type", "bridge");
  atBridge("set", "bridge", "up");
  const { own, subnet } = addCable(middle);
  const address = `${subnet}.254`;
  atBridge("set", own, "master", "bridge", "up");
  ip("address", "add", `${address}/24`, "dev", own);
  ip("link", "set", own, "up");
  const namespaces: string[] = [];
  return {
    address,
    addStation: (name) => {
      const index = namespaces.length + 1;
      const namespace = `omoi-${id}-${name}`;
      const cable = `cable-${index}`;
      const at = `${subnet}.${index}`;
      addNamespace(namespace);
      namespaces.push(namespace);
      atBridge("add", cable, "type", "veth", "peer", "eth0", "netns", namespace);
      atBridge("set", cable, "master", "bridge", "up");
      const inside = (...args: string[]): void => ip("-netns", namespace, ...args);
      inside("link", "set", "lo", "up");
      inside("address", "add", `${at}/24`, "dev", "eth0");
      inside("link", "set", "eth0", "up");
      return {
        name,
        namespace,
        address: at,
        link: (state) => atBridge("set", cable, state),
        // The packets go to an Ethernet address that no machine has.
        blackhole: (target, isOn) => {
          const of = [target, "dev", "eth0"];
          if (isOn) inside("neigh", "replace", ...of, "lladdr", NO_MACHINE, "nud", "permanent");
          else inside("neigh", "del", ...of);
        },
      };
    },
    close: () => {
      for (const namespace of [...namespaces, middle]) ip("netns", "delete", namespace);
      // With that of its other end it may have gone already.
      spawnSync("ip", ["link", "delete", own]);
    },
  };
}
