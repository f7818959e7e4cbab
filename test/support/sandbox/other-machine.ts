/** Another machine of the local network, for runs that reach the outside without the internet. */
import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { recordNetworkPart } from "../machines/network-parts.js";

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

/**
 * Starts a machine in a network namespace, connected by a cable. Needs root.
 * @param isContainer whether the cable ends at a bridge, like that of a container
 */
export async function startOtherMachine(isContainer = false): Promise<OtherMachine> {
  const has6 = /^0{32} 00 (?!.* lo$)/m.test(readFileSync("/proc/net/ipv6_route", "latin1"));
  const machine = spawn("unshare", ["--net", process.execPath, "-e", SERVE], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const devices: string[] = [];
  const close = (): void => {
    machine.kill("SIGKILL");
    for (const name of devices) spawnSync("ip", ["link", "delete", name]);
  };
  const run = (program: string, ...args: string[]): void => {
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  };
  const addDevice = (name: string, ...type: string[]): void => {
    run("ip", "link", "add", name, "type", ...type);
    devices.push(name);
    recordNetworkPart("device", name);
  };
  /** Adds a cable that has the number of its subnet: the kernel permits one device of a name. */
  const addCable = (pid: string): number => {
    for (let attempt = 1; ; attempt += 1) {
      const number = randomInt(64);
      try {
        addDevice(`omoi-cable-${number}`, "veth", "peer", "eth0", "netns", pid);
        return number;
      } catch (error) {
        if (attempt === 20) throw error;
      }
    }
  };
  try {
    await once(machine.stdout, "data");
    const pid = String(machine.pid);
    const inside = ["--net", "--target", pid, "--", "ip"];
    const number = addCable(pid);
    const cable = `omoi-cable-${number}`;
    const bridge = `omoi-bridge-${number}`;
    // Of a documentation range (RFC 5737), and of the one for IPv6 (RFC 3849).
    const [ours, theirs] = [`198.51.100.${number * 4 + 1}/30`, `198.51.100.${number * 4 + 2}`];
    const prefix6 = `2001:db8:${number}`;
    const [ours6, theirs6] = [`${prefix6}::1/64`, `${prefix6}::2`];
    const end = isContainer ? bridge : cable;
    if (isContainer) {
      addDevice(bridge, "bridge");
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
    return { address: theirs, address6: has6 ? theirs6 : null, port: 7070, close };
  } catch (error) {
    close();
    throw error;
  }
}
