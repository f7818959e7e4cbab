/** Commands in a sandbox made by bubblewrap. */
import { closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bubblewrapArgs, ownEnvironment } from "./bubblewrap-args.js";
import type { ControlGroups } from "./cgroups.js";
import { startHeld } from "./held-start.js";
import { findNetworks, type Networks, type RunNetwork } from "./network.js";
import { openOutputPipes } from "./output-pipes.js";
import { FILTER, handFiles } from "./own-files.js";
import { findMounter, memoryFolders } from "./run-mounts.js";
import { findProgram, installCommand } from "./programs.js";
import {
  SandboxRefusal,
  type Missing,
  type Runner,
  type SandboxInput,
  type SandboxLimits,
  type SandboxSettings,
} from "./sandbox.js";
import { lookAtSystem } from "./system-view.js";

/**
 * Finds bubblewrap and what it needs beside it; whether it works is for the probe to see.
 * @param folder where it may keep files until the server ends
 * @param marker an argument by which this server's sandboxes are found
 */
export function openBubblewrap(
  settings: SandboxSettings,
  groups: ControlGroups | null,
  folder: string,
  marker: string,
): Runner | Missing {
  const bwrap = findProgram("bwrap");
  if (bwrap === null) {
    return {
      missing: "Commands of agents need a sandbox, and bubblewrap is not installed",
      install: installCommand("bubblewrap"),
    };
  }
  const prlimit = findProgram("prlimit");
  if (prlimit === null) return lacks("prlimit");
  const isRoot = process.getuid?.() === 0;
  const sharedUid = isRoot ? settings.agentUid : (process.getuid?.() as number);
  const mountFor = findMounter(folder);
  if ("missing" in mountFor) return mountFor;

  const pipes = openOutputPipes(folder);
  // The server's own folders, where they lie below a folder of tools.
  const hidden = [settings.dataDir, join(import.meta.dirname, "../../.."), process.cwd()];
  const view = lookAtSystem(settings.sandboxReadOnly, hidden);
  const files = handFiles(folder, settings.agentUid, view.files);
  const rlimits = resourceLimits(groups, isRoot);
  const networks = findNetworks(settings.networkUid);

  return {
    mode: "bubblewrap",
    uid: sharedUid,
    seccomp: files.none.names.includes(FILTER),
    async start(input) {
      const { limits, command, env } = input;
      const uid = input.uid ?? sharedUid;
      const network = await openNetwork(networks, input);
      const handed = files[input.network];
      const opened = handed.open();
      const inMemory = memoryFolders(limits.memoryBytes);
      const mounts = await mountFor(input, uid, inMemory);
      const sandbox = {
        source: mounts.source,
        uid: settings.agentUid,
        network: input.network,
        view,
        files: handed,
        mounts: mounts.args,
      };
      try {
        return await startHeld(input, {
          groups,
          pipes,
          uid,
          argv: [
            ...(network?.enter ?? []),
            ...mounts.argv,
            bwrap,
            ...bubblewrapArgs(sandbox),
            // Without effect, but for being found there.
            "--unsetenv",
            marker,
            "--",
            prlimit,
            ...rlimits(limits),
            "--",
            ...command,
          ],
          environment: { ...ownEnvironment(view), ...env },
          files: opened,
          inMemory,
          network,
        });
      } catch (error) {
        await network?.close();
        throw error;
      } finally {
        mounts.close();
        for (const descriptor of opened) closeSync(descriptor);
      }
    },
  };
}

/** @throws SandboxRefusal where this machine has nothing to make one with */
async function openNetwork(
  networks: Networks | Missing,
  { network, callbackPort }: SandboxInput,
): Promise<RunNetwork | null> {
  if (network === "none") return null;
  if ("missing" in networks) throw new SandboxRefusal(networks.missing, networks.install);
  return networks.open(callbackPort);
}

function lacks(program: string): Missing {
  return {
    missing: `Commands of agents need a sandbox, and the program ${program} is not installed`,
    install: installCommand("util-linux"),
  };
}

/** What holds for each process alone (getrlimit(2)); the sums are held by control groups or watched. */
function resourceLimits(
  groups: ControlGroups | null,
  isRoot: boolean,
): (limits: SandboxLimits) => string[] {
  const own = readFileSync("/proc/self/limits", "utf8");
  const mostFiles = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(own)?.[1] ?? 1024);
  const countsProcesses = groups?.controllers.has("pids") ?? false;
  return ({ openFiles = 65_536, diskBytes, processes }) => [
    "--core=0",
    // Of a uid that all runs share, a quarter for each.
    ...(isRoot ? [] : ["--msgqueue=204800"]),
    `--nofile=${Math.min(openFiles, mostFiles)}`,
    ...(diskBytes === null ? [] : [`--fsize=${diskBytes}`]),
    // Counted in the sandbox's own user namespace: other runs of the same user have their own.
    ...(countsProcesses ? [] : [`--nproc=${processes}`]),
  ];
}
