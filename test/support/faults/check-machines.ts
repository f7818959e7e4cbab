import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Verification } from "#server/admin/verify.js";
import { omoi } from "../server/cli.js";
import type { World } from "./world.js";

const pids = (): string[] => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

/** Reads a file of a process; empty if the process has ended. */
function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** No upper layer is part of two mounts, on whichever machines. */
export function checkMounts({ installation: { folder } }: World): string[] {
  /** The devices of each upper layer: a mount has one of its own, which its copies in namespaces share. */
  const devices = new Map<string, Set<string>>();
  for (const pid of pids()) {
    for (const line of read(pid, "mountinfo").split("\n")) {
      const upper = / - overlay .*\bupperdir=([^,]+)/.exec(line)?.[1];
      if (!upper?.startsWith(folder)) continue;
      const device = line.split(" ")[2] ?? "";
      devices.set(upper, (devices.get(upper) ?? new Set()).add(device));
    }
  }
  return [...devices]
    .filter(([, mounts]) => mounts.size > 1)
    .map(([upper, mounts]) => `${upper} is mounted ${mounts.size} times`);
}

/** No process of an ended run goes on, on machines that are connected. Runners learn of an end by a heartbeat. */
export async function checkProcesses(markers: readonly string[]): Promise<string[]> {
  const ended = new Set(markers);
  const find = (): string[] =>
    pids().flatMap((pid) => {
      const marker = /run-[0-9a-f]{12}/.exec(read(pid, "cmdline"))?.[0];
      return marker !== undefined && ended.has(marker)
        ? [`${marker} goes on as process ${pid}`]
        : [];
    });
  for (let attempt = 0; attempt < 60; attempt += 1) {
    if (find().length === 0) return [];
    await pause(500);
  }
  return find();
}

/** Each server verifies its logs, repositories and merges. */
export async function verifyServers({ servers }: World): Promise<string[]> {
  const faults: string[] = [];
  for (const { name, env } of servers) {
    const { out, err } = await omoi(env, "admin", "verify", "--json");
    const { clean } = JSON.parse(out || "{}") as Partial<Verification>;
    if (clean !== true) faults.push(`${name}: ${err}${out}`);
  }
  return faults;
}
