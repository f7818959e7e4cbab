/** The addresses that no run reaches: those of the machine, its containers and metadata services. */
import { existsSync, readdirSync } from "node:fs";
import { isIP } from "node:net";
import { endianness } from "node:os";
import { METADATA_NETWORKS } from "#shared/node/metadata-address.js";
import { readTextOrEmpty } from "./resolver.js";

/**
 * Returns shell commands that refuse these addresses in the network namespace they run in.
 * @param ip the path of ip(8)
 * @param further networks in CIDR notation, besides those that no run reaches
 */
export function refusingCommands(ip: string, further: readonly string[] = []): string {
  const networks = [
    ...new Set([
      ...METADATA_NETWORKS,
      ...ownAddresses(),
      ...bridgeNetworks(),
      ...further.filter(isNetwork),
    ]),
  ];
  const commands = ([4, 6] as const).map((family) => {
    const lines = networks
      .filter((network) => isIP(network.split("/")[0] as string) === family)
      .map((network) => `rule add pref 10 to ${network} prohibit`);
    return `printf '%s\\n' '${lines.join("\n")}' | ${ip} -${family} -batch -`;
  });
  return commands.slice(0, hasIpv6() ? 2 : 1).join("; ");
}

/** Tells whether this machine's kernel has IPv6. */
function hasIpv6(): boolean {
  return readTextOrEmpty("/proc/net/if_inet6") !== "";
}

function isNetwork(text: string): boolean {
  const [address = "", bits = ""] = text.split("/");
  return isIP(address) !== 0 && /^\d{1,3}$/.test(bits);
}

/**
 * Returns the machine's own addresses in CIDR notation: its services are off limits for runs. Where the
 * server runs in a container in the machine's PID namespace, process 1 has the machine's.
 */
function ownAddresses(): string[] {
  const found: string[] = [];
  for (const process of ["self", "1"]) {
    let leaf = "";
    // From the kernel's routing table: includes interfaces that are down.
    for (const line of readTextOrEmpty(`/proc/${process}/net/fib_trie`).split("\n")) {
      leaf = /\|-- (\S+)/.exec(line)?.[1] ?? leaf;
      const bits = /\/(\d+) host LOCAL/.exec(line)?.[1];
      if (bits !== undefined && !leaf.startsWith("127.")) found.push(`${leaf}/${bits}`);
    }
    for (const line of readTextOrEmpty(`/proc/${process}/net/if_inet6`).split("\n")) {
      const address = ipv6Of(/^[0-9a-f]{32}/.exec(line)?.[0] ?? "");
      if (address !== null && !/^(0000:){7}0001$/.test(address)) found.push(`${address}/128`);
    }
  }
  return found;
}

/** Returns the networks of this machine's bridges, in CIDR notation: containers and virtual machines. */
function bridgeNetworks(): string[] {
  const found: string[] = [];
  for (const line of readTextOrEmpty("/proc/net/route").split("\n").slice(1)) {
    const [name = "", destination = "", gateway, , , , , mask = ""] = line.trim().split(/\s+/);
    if (gateway !== "00000000" || !isInternalBridge(name)) continue;
    const bits = ipv4Bytes(mask).reduce(
      (sum, byte) => sum + byte.toString(2).replaceAll("0", "").length,
      0,
    );
    if (bits > 0) found.push(`${ipv4Bytes(destination).join(".")}/${bits}`);
  }
  for (const line of readTextOrEmpty("/proc/net/ipv6_route").split("\n")) {
    const [destination = "", bits = "", , , gateway = "", , , , , name = ""] = line
      .trim()
      .split(/\s+/);
    if (/[^0]/.test(gateway) || bits === "00" || !isInternalBridge(name)) continue;
    const address = ipv6Of(destination);
    if (address !== null) found.push(`${address}/${Number.parseInt(bits, 16)}`);
  }
  return found;
}

/** Tells whether an interface is a bridge without a way to other machines. */
function isInternalBridge(name: string): boolean {
  const of = (interfaceName: string): string => `/sys/class/net/${interfaceName}`;
  if (!/^[\w.:@-]+$/.test(name) || !existsSync(`${of(name)}/bridge`)) return false;
  // A member that has a device, or lies on top of another interface (VLAN, bond), leads outside.
  return entriesOf(`${of(name)}/brif`).every(
    (member) =>
      !existsSync(`${of(member)}/device`) &&
      !entriesOf(of(member)).some((entry) => entry.startsWith("lower_")),
  );
}

/** Returns the names in a folder; none if it has gone, as interfaces of containers do at any time. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Parses the kernel's notation, in the byte order of the machine. */
function ipv4Bytes(hex: string): number[] {
  const value = Number.parseInt(hex, 16);
  const bytes = [value, value >>> 8, value >>> 16, value >>> 24].map((part) => part & 255);
  return endianness() === "LE" ? bytes : bytes.toReversed();
}

function ipv6Of(hex: string): string | null {
  return hex.match(/.{4}/g)?.join(":") ?? null;
}
