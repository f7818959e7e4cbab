/** Sandboxes by bubblewrap, with or without gVisor inside. */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bubblewrapArgs, GVISOR, gvisorArgs, ownEnvironment } from "./bubblewrap-args.js";
import type { ControlGroups } from "../limits/cgroups.js";
import { findGvisor } from "./gvisor.js";
import { startBlocked, type Plan } from "./blocked-start.js";
import { findNetworks, type Networks, type RunNetwork } from "../network/network.js";
import { openOutputPipes } from "../streams/output-pipes.js";
import { FILTER, writeEtcFiles } from "./sandbox-etc.js";
import { findMounter, memoryFolders } from "./run-mounts.js";
import { findProgram, installCommand } from "../programs.js";
import {
  SandboxRefusal,
  type MissingProgram,
  type Runner,
  type SandboxInput,
  type SandboxLimits,
  type SandboxSettings,
} from "../sandbox.js";
import { inspectSystem } from "./system-view.js";

/**
 * Finds bubblewrap and its companions; the probe checks whether they work.
 * @param folder a place for files until the server ends
 * @param marker an argument that identifies this server's sandboxes
 */
export function openBubblewrap(
  settings: SandboxSettings,
  groups: ControlGroups | null,
  folder: string,
  marker: string,
): Runner | MissingProgram {
  const bwrap = findProgram("bwrap");
  if (bwrap === null) {
    return {
      missing: "Agent commands need a sandbox, and bubblewrap is not installed",
      install: installCommand("bubblewrap"),
    };
  }
  const prlimit = findProgram("prlimit");
  if (prlimit === null) return lacks("prlimit");
  const gvisor = settings.sandbox === "gvisor" ? findGvisor() : null;
  if (gvisor !== null && "missing" in gvisor) return gvisor;
  const isRoot = process.getuid?.() === 0;
  const sharedUid = isRoot ? settings.agentUid : (process.getuid?.() as number);
  const mountFor = findMounter(folder);
  if ("missing" in mountFor) return mountFor;

  const pipes = openOutputPipes(folder);
  // The server's own folders, in case they lie below a tool folder.
  const hidden = [settings.dataDir, join(import.meta.dirname, "../../.."), process.cwd()];
  const view = inspectSystem(settings.sandboxReadOnly, hidden);
  const files = writeEtcFiles(folder, settings.agentUid, view.files, gvisor === null);
  const rlimits = resourceLimits(groups, isRoot);
  const networks = findNetworks(settings.networkUid);

  return {
    mode: gvisor === null ? "bubblewrap" : "gvisor",
    uid: sharedUid,
    // gVisor filters the system calls of its own processes; the command's never reach the host
    // kernel.
    seccomp: gvisor !== null || files.none.names.includes(FILTER),
    async start(input) {
      const { limits, command } = input;
      const uid = input.uid ?? sharedUid;
      const network = await openNetwork(networks, input);
      const handed = files[input.network === "full" ? "full" : "none"];
      const opened = handed.open();
      const inMemory = memoryFolders(input);
      const mounts = await mountFor(input, uid, inMemory);
      const { source, readOnly, args } = mounts;
      const { network: access } = input;
      const parts = { source, readOnly, network: access, view, files: handed, mounts: args };
      const environment = { ...ownEnvironment(view), ...input.env };
      const inner = (): Inner => {
        const inside = { uid: settings.agentUid, environment, inMemory };
        // No effect other than carrying the marker.
        const found = ["--unsetenv", marker, "--"];
        if (gvisor === null) {
          const confined = bubblewrapArgs({ ...parts, uid: settings.agentUid });
          const argv = [...confined, ...found, prlimit, ...rlimits(limits), "--", ...command];
          return {
            argv,
            environment,
            inMemory,
            limits,
            measureMemory: undefined,
            needsAll: false,
            terminate: null,
          };
        }
        opened.push(openContent(folder, input.id, gvisor.configuration(input, inside)));
        return {
          argv: [...gvisorArgs(parts), ...found, ...gvisor.argv(input)],
          environment: { PATH: view.path },
          inMemory: inMemory.map((mount) => ({ ...mount, path: GVISOR.root + mount.path })),
          limits: gvisor.groupLimits(limits),
          measureMemory: gvisor.measureMemory(),
          needsAll: true,
          terminate: (init) => gvisor.terminate(init, uid),
        };
      };
      try {
        const { argv, ...plan } = inner();
        return await startBlocked(input, {
          ...plan,
          groups,
          pipes,
          uid,
          argv: [...(network?.enter ?? []), ...mounts.argv, bwrap, ...argv],
          files: opened,
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

/** The part of a plan that depends on gVisor. */
type Inner = Pick<
  Plan,
  "argv" | "environment" | "inMemory" | "limits" | "measureMemory" | "needsAll" | "terminate"
>;

/** Returns a descriptor of an unlinked file with the given content. */
function openContent(folder: string, id: string, content: string): number {
  const path = join(folder, `content-${id}`);
  writeFileSync(path, content, { mode: 0o600 });
  try {
    return openSync(path, "r");
  } finally {
    rmSync(path);
  }
}

/** @throws SandboxRefusal if this machine cannot create one */
async function openNetwork(
  networks: Networks | MissingProgram,
  { network, ports = [] }: SandboxInput,
): Promise<RunNetwork | null> {
  if (network === "none") return null;
  if ("missing" in networks) throw new SandboxRefusal(networks.missing, networks.install);
  return networks.open({ ports, reachesOutside: network === "full" });
}

function lacks(program: string): MissingProgram {
  return {
    missing: `Agent commands need a sandbox, and the program ${program} is not installed`,
    install: installCommand("util-linux"),
  };
}

/** Limits per process (getrlimit(2)); control groups or monitors limit the sums. */
function resourceLimits(
  groups: ControlGroups | null,
  isRoot: boolean,
): (limits: SandboxLimits) => string[] {
  const own = readFileSync("/proc/self/limits", "utf8");
  const mostFiles = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(own)?.[1] ?? 1024);
  const countsProcesses = groups?.controllers.has("pids") ?? false;
  return ({ openFiles = 65_536, diskBytes, processes }) => [
    "--core=0",
    // If all runs share a uid, a quarter of its limit each.
    ...(isRoot ? [] : ["--msgqueue=204800"]),
    `--nofile=${Math.min(openFiles, mostFiles)}`,
    ...(diskBytes === null ? [] : [`--fsize=${diskBytes}`]),
    // Counted per user in the sandbox's user namespace: other runs of the user have their own
    // count.
    ...(countsProcesses ? [] : [`--nproc=${processes}`]),
  ];
}
