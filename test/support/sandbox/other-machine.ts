/** Another machine of the local network, for runs that reach the outside without the internet. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

export interface OtherMachine {
  address: string;
  /** Null where this machine has no way for IPv6. */
  address6: string | null;
  /** A TCP port that answers "reached". */
  port: number;
  close(): void;
}

const SERVE = `
require("net").createServer((socket) => socket.end("reached")).listen(7070, "::", () => console.log("ready"));`;

let count = 0;

/**
 * Starts a machine in a network namespace, connected by a cable. Needs root.
 * @param isContainer whether the cable ends at a bridge, like that of a container
 */
export async function startOtherMachine(isContainer = false): Promise<OtherMachine> {
  count += 1;
  const cable = `omoi${count}-${process.pid}`;
  const bridge = `omoib${count}-${process.pid}`;
  // Of a documentation range (RFC 5737), by process so that tests do not meet.
  const at = ((process.pid * 8 + count) % 63) * 4;
  const [ours, theirs] = [`198.51.100.${at + 1}/30`, `198.51.100.${at + 2}`];
  const prefix6 = `2001:db8:${(process.pid & 0xffff).toString(16)}:${count}`;
  const [ours6, theirs6] = [`${prefix6}::1/64`, `${prefix6}::2`];
  const has6 = /^0{32} 00 (?!.* lo$)/m.test(readFileSync("/proc/net/ipv6_route", "latin1"));
  const machine = spawn("unshare", ["--net", process.execPath, "-e", SERVE], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const close = (): void => {
    machine.kill("SIGKILL");
    for (const name of [cable, bridge]) spawnSync("ip", ["link", "delete", name]);
  };
  const run = (program: string, ...args: string[]): void => {
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  };
  try {
    await once(machine.stdout, "data");
    const pid = String(machine.pid);
    const inside = ["--net", "--target", pid, "--", "ip"];
    run("ip", "link", "add", cable, "type", "veth", "peer", "eth0", "netns", pid);
    const end = isContainer ? bridge : cable;
    if (isContainer) {
      run("ip", "link", "add", bridge, "type", "bridge");
      run("ip", "link", "set", cable, "master", bridge, "up");
    }
    run("ip", "link", "set", end, "up");
    run("ip", "address", "add", ours, "dev", end);
    run("nsenter", ...inside, "link", "set", "eth0", "up");
    run("nsenter", ...inside, "address", "add", `${theirs}/30`, "dev", "eth0");
    if (has6) {
      run("ip", "address", "add", ours6, "dev", end, "nodad");
      run("nsenter", ...inside, "address", "add", `${theirs6}/64`, "dev", "eth0", "nodad");
    }
  } catch (error) {
    close();
    throw error;
  }
  return { address: theirs, address6: has6 ? theirs6 : null, port: 7070, close };
}
