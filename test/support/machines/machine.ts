import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import type { Station } from "./network.js";

/** The first process of a machine: it gives the machine its name, starts the program and collects orphans. */
const INIT = `hostname "$1" && ip link set lo up; shift; "$@" & wait $!`;

const preload = pathToFileURL(join(import.meta.dirname, "machine-preload.mjs")).href;

/** Node options of a program that sees the boot and the clock of its machine. */
export const nodeOptions: readonly string[] = ["--import", preload];

/** A machine with network, processes, mounts and a host name of its own. Its disk is a folder of this one. */
export interface Machine extends Station {
  /** Starts the machine with its program. */
  boot(): void;
  /** Whether it has been started, and its program has not ended. */
  isOn(): boolean;
  /** Ends all processes at once, as a power failure does. */
  kill(): Promise<void>;
  /** Sends SIGTERM to the program and waits until it has ended. */
  shutdown(): Promise<number | null>;
  /** The pid of its first process, seen from here; its folders are below `/proc/<pid>/root`. */
  firstPid(): number;
  /** Output since the last start. */
  output(): string;
}

interface MachineOptions {
  /** The program with its arguments. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** A file that gets the output of each start. */
  logFile: string;
  /** How far its clock is ahead in milliseconds. */
  clockMs?: number;
}

export function createMachine(
  station: Station,
  { command, env, logFile, clockMs = 0 }: MachineOptions,
): Machine {
  let child: ChildProcess | null = null;
  let start = 0;
  const isOn = (): boolean =>
    child !== null && child.exitCode === null && child.signalCode === null;
  const output = (): string => {
    try {
      return readFileSync(logFile, "utf8").slice(start);
    } catch {
      return "";
    }
  };
  const firstPid = (): number => {
    const { pid } = child ?? {};
    const [first] = pid === undefined ? [] : childrenOf(pid);
    if (first === undefined) throw new Error(`the machine ${station.name} is off`);
    return first;
  };
  return {
    ...station,
    boot: () => {
      if (isOn()) throw new Error(`the machine ${station.name} is on`);
      start += Buffer.byteLength(output());
      const log = openSync(logFile, "a");
      const namespaces = ["--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child"];
      child = spawn(
        "ip",
        [
          "netns",
          "exec",
          station.namespace,
          "unshare",
          ...namespaces,
          "--mount-proc",
          "/bin/sh",
          "-c",
          INIT,
          "init",
          station.name,
          ...command,
        ],
        {
          env: {
            PATH: process.env["PATH"],
            ...env,
            // Another one for each start, as a kernel has it.
            MACHINE_BOOT_ID: randomUUID(),
            MACHINE_CLOCK_MS: String(clockMs),
          },
          stdio: ["ignore", log, log],
        },
      );
      closeSync(log);
    },
    isOn,
    kill: async () => {
      if (child === null || !isOn()) return;
      const ended = once(child, "exit");
      // The kernel ends all processes of a pid namespace with its first one.
      process.kill(firstPid(), "SIGKILL");
      await ended;
    },
    shutdown: async () => {
      if (child === null || !isOn()) return child?.exitCode ?? null;
      const ended = once(child, "exit");
      const [program] = childrenOf(firstPid());
      if (program !== undefined) process.kill(program, "SIGTERM");
      await ended;
      return child.exitCode;
    },
    firstPid,
    output,
  };
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

/** Waits until the output of a machine has a text. @throws Error when its program ends before */
export async function untilOutput(machine: Machine, text: string): Promise<void> {
  while (!machine.output().includes(text)) {
    if (!machine.isOn()) throw new Error(`${machine.name} has ended: ${machine.output()}`);
    await pause(50);
  }
}
