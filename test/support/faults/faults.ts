import { setTimeout as pause } from "node:timers/promises";
import { bootServer, type ServerMachine } from "../machines/installation.js";
import type { Machine } from "../machines/machine.js";
import type { World } from "./world.js";

/** Kinds of faults: a power failure, a cable that is pulled, and a server that no longer reaches PostgreSQL. */
export type FaultKind = "kill" | "cut" | "cut from database";

export interface Fault {
  kind: FaultKind;
  machine: Machine;
  /** Time until the machine is back. */
  durationMs: number;
}

/** Longest leases: 15 s of a node and of its runs. */
const NODE_LEASE_MS = 15_000;
/** 60 s of a run on a runner. */
const RUNNER_LEASE_MS = 60_000;

/** Chooses a fault; some last longer than the leases. */
export function chooseFault(
  { installation, servers, runners }: World,
  random: () => number,
): Fault {
  const machines = [...servers, ...runners, installation.postgres];
  const machine = machines[Math.floor(random() * machines.length)] as Machine;
  const isServer = servers.some(({ name }) => name === machine.name);
  const isRunner = runners.some(({ name }) => name === machine.name);
  const kinds: FaultKind[] = isServer ? ["kill", "cut", "cut from database"] : ["kill", "cut"];
  const kind = kinds[Math.floor(random() * kinds.length)] as FaultKind;
  const isLong = random() < 0.4;
  const leaseMs = isRunner ? RUNNER_LEASE_MS : NODE_LEASE_MS;
  const durationMs = isLong ? leaseMs + 1000 + random() * 8000 : 1000 + random() * 10_000;
  return { kind, machine, durationMs };
}

export const describeFault = ({ kind, machine, durationMs }: Fault): string =>
  `${kind} ${machine.name} for ${(durationMs / 1000).toFixed(1)} s`;

/** Lets a fault happen, and resolves when the machine is back in service. */
export async function commitFault(
  world: World,
  { kind, machine, durationMs }: Fault,
): Promise<void> {
  const { postgres } = world.installation;
  if (kind === "kill") {
    await machine.kill();
    await pause(durationMs);
    const server = world.servers.find(({ name }) => name === machine.name);
    if (server) return restart(server);
    machine.boot();
    if (machine.name === postgres.name) await postgres.untilReady();
    return;
  }
  const set = (isCut: boolean): void =>
    kind === "cut"
      ? machine.link(isCut ? "down" : "up")
      : machine.blackhole(postgres.address, isCut);
  set(true);
  await pause(durationMs);
  set(false);
}

const MAX_STARTS = 10;

/** Starts a server as a service manager does: again, if PostgreSQL does not answer in time. */
async function restart(server: ServerMachine): Promise<void> {
  for (let start = 1; ; start += 1) {
    try {
      return await bootServer(server);
    } catch (error) {
      const isPassing = server.output().includes("The database is not reachable");
      if (!isPassing || start === MAX_STARTS) throw error;
    }
  }
}
