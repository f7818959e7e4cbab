/** Commands in a sandbox made by bubblewrap. */
import { closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bubblewrapArgs, memoryFolders, ownEnvironment } from "./bubblewrap-args.js";
import type { ControlGroups } from "./cgroups.js";
import { startHeld } from "./held-start.js";
import { findNetworks, type Networks, type RunNetwork } from "./network.js";
import { openOutputPipes } from "./output-pipes.js";
import { FILTER, handFiles } from "./own-files.js";
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
  const dropRights = isRoot ? findRightsDropper() : null;
  if (dropRights !== null && "missing" in dropRights) return dropRights;

  const pipes = openOutputPipes(folder);
  // The server's own folders, where they lie below a folder of tools.
  const hidden = [settings.dataDir, join(import.meta.dirname, "../../.."), process.cwd()];
  const view = lookAtSystem(settings.sandboxReadOnly, hidden);
  const files = handFiles(folder, settings.agentUid, view.files);
  const rlimits = resourceLimits(groups);
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
      const source = dropRights === null ? input.folder : BOUND;
      const inMemory = memoryFolders(limits.memoryBytes);
      const sandbox = {
        source,
        uid: settings.agentUid,
        network: input.network,
        view,
        files: handed,
        inMemory,
      };
      try {
        return await startHeld(input, {
          groups,
          pipes,
          uid,
          argv: [
            ...(network?.enter ?? []),
            ...(dropRights?.(input.folder, uid) ?? []),
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

/**
 * Where a root server's workspace is bound, in a mount namespace of the run alone: the data folder is
 * root's, and bubblewrap, which has none of root's rights, could not reach into it. Any folder does
 * that every machine has and no sandbox shows.
 */
const BOUND = "/sys";

/** The programs by which a root server becomes the run's user, before bubblewrap itself starts. */
function findRightsDropper(): ((folder: string, uid: number) => string[]) | Missing {
  const found = new Map<string, string>();
  for (const name of ["unshare", "sh", "mount", "setpriv"]) {
    const path = findProgram(name);
    if (path === null) return lacks(name);
    found.set(name, path);
  }
  const program = (name: string): string => found.get(name) as string;
  const script = `${program("mount")} --bind -- "$1" ${BOUND} && shift && exec "$@"`;
  const rights = ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"];
  return (folder, uid) =>
    [
      // Mounts that the server takes away are not held by runs, where the system shares them.
      [program("unshare"), "--mount", "--propagation", "slave", "--"],
      [program("sh"), "-c", script, "sh", folder],
      [
        program("setpriv"),
        ...[`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"],
        ...rights,
        "--",
      ],
    ].flat();
}

/** What holds for each process alone (getrlimit(2)); the sums are held by control groups or watched. */
function resourceLimits(groups: ControlGroups | null): (limits: SandboxLimits) => string[] {
  const own = readFileSync("/proc/self/limits", "utf8");
  const mostFiles = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(own)?.[1] ?? 1024);
  const countsProcesses = groups?.controllers.has("pids") ?? false;
  return ({ openFiles = 65_536, diskBytes, processes }) => [
    "--core=0",
    `--nofile=${Math.min(openFiles, mostFiles)}`,
    ...(diskBytes === null ? [] : [`--fsize=${diskBytes}`]),
    // Counted in the sandbox's own user namespace: other runs of the same user have their own.
    ...(countsProcesses ? [] : [`--nproc=${processes}`]),
  ];
}
