/** The network of a run inside the network namespace of a container. */
import { RESOLVERS } from "./resolver.js";
import { lastLine } from "../streams/last-line.js";
import { readTool } from "../launch.js";
import { programPath } from "../programs.js";
import { SandboxRefusal } from "../sandbox.js";
import { ADDRESSES, INTERFACE, PREFIX_BITS, type RunNetwork } from "./network.js";
import { refusingCommands } from "./off-limits.js";

/** Any address of the network: pasta answers for all of them. */
const GATEWAY6 = "fd6f:6d6f:6e65::1";

/**
 * Moves the interface of a network into another network namespace, which reaches from then on what the
 * network reaches. Its processes stay outside.
 * @param pid a process in that namespace
 * @param refused further networks that it may not reach, in CIDR notation
 * @throws SandboxRefusal
 */
export async function moveNetwork(
  network: RunNetwork,
  pid: number,
  refused: readonly string[],
): Promise<void> {
  const program = (name: string): string => programPath(name) ?? name;
  const ip = program("ip");
  const run = async (enter: readonly string[], script: string): Promise<string> => {
    const argv = [...enter, program("sh"), "-c", `exec 2>&1; set -e; ${script}`];
    const { exitCode, stdout } = await readTool(argv);
    if (exitCode === 0) return stdout;
    throw new SandboxRefusal(`The network of the container failed: ${lastLine(stdout)}`);
  };
  // pasta has no way for IPv6 where the machine has none.
  const route6 = await run(
    network.enter,
    `${ip} -6 route show default dev ${INTERFACE}; ${ip} link set ${INTERFACE} netns ${pid}`,
  );
  const enable6 = [
    // Engines disable IPv6 in a container without network.
    `echo 0 > /proc/sys/net/ipv6/conf/${INTERFACE}/disable_ipv6`,
    `${ip} -6 address add ${ADDRESSES[6]}/64 dev ${INTERFACE} nodad`,
    `${ip} -6 route add default via ${GATEWAY6} dev ${INTERFACE}`,
  ].join(" && ");
  await run(
    [program("nsenter"), `--net=/proc/${pid}/ns/net`, "--"],
    [
      // Before the interface is up.
      refusingCommands(ip, refused),
      `${ip} address add ${ADDRESSES[4]}/${PREFIX_BITS} dev ${INTERFACE}`,
      `${ip} link set ${INTERFACE} up`,
      `${ip} route add default via ${RESOLVERS[4]} dev ${INTERFACE}`,
      // Where /proc/sys is read-only, the container has IPv4 alone.
      ...(route6.trim() === "" ? [] : [`{ ${enable6}; } || true`]),
    ].join("; "),
  );
}
