/** Commands in a sandbox made by bubblewrap. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ControlGroups } from "./cgroups.js";
import { findProgram, installCommand } from "./programs.js";
import { watchedRun } from "./run.js";
import { WORKSPACE, type Missing, type Runner, type SandboxSettings } from "./sandbox.js";
import { seccompFilter } from "./seccomp.js";
import { lookAtSystem, type SystemView } from "./system-view.js";

/** The user's name inside. */
const USER = "agent";
const HOME = "/home/agent";

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
      missing: "Commands need a sandbox, and bubblewrap is not installed",
      install: installCommand("bubblewrap"),
    };
  }
  const isRoot = process.getuid?.() === 0;
  const tools = Object.fromEntries(
    ["unshare", "sh", "mount", "setpriv"].map((name) => [name, findProgram(name)]),
  );
  const lacking = Object.keys(tools).find((name) => tools[name] === null);
  if (isRoot && lacking !== undefined) {
    return {
      missing: `A server of root gives up its rights by the program ${lacking}, which is not installed`,
      install: installCommand("util-linux"),
    };
  }
  const prlimit = findProgram("prlimit");
  const uid = isRoot ? settings.agentUid : (process.getuid?.() as number);
  const files = writeFiles(folder, settings.agentUid);
  const hidden = [settings.dataDir, join(import.meta.dirname, "../../.."), process.cwd()];
  const view = lookAtSystem(settings.sandboxReadOnly, hidden);

  const maxOpenFiles = ownOpenFilesLimit();

  const start: Runner["start"] = async (input) => {
    const source = isRoot ? BOUND : input.folder;
    const opened = files.open();
    const descriptors = opened.map((_, index) => FIRST_FILE + index);
    try {
      return await watchedRun(input, {
        groups,
        argv: [
          ...(isRoot ? asAgent(tools as Record<string, string>, input.folder, uid) : []),
          bwrap,
          ...bubblewrapArgs({ ...input, source, view, uid: settings.agentUid, descriptors, files }),
          "--unsetenv",
          marker,
          "--",
          ...(prlimit === null ? [] : [prlimit, ...rlimits(input.limits, maxOpenFiles), "--"]),
          ...input.command,
        ],
        environment: { ...ownEnvironment(view), ...input.env },
        files: opened,
      });
    } finally {
      for (const descriptor of opened) closeSync(descriptor);
    }
  };
  return { mode: "bubblewrap", uid, seccomp: files.seccomp, start };
}

/** Descriptors of the started process: 3 tells its state, 4 holds it back, 5 is its environment. */
export const STATUS = 3;
export const HOLD = 4;
export const ENVIRONMENT = 5;
const FIRST_FILE = 6;

/**
 * Where a root server's workspace is bound, in a mount namespace of the run alone: the data folder is
 * root's, and bubblewrap, already without root's rights, could not reach into it.
 */
const BOUND = "/sys";

/** Takes the agent's user before anything else happens: bubblewrap itself runs without rights. */
function asAgent(tools: Record<string, string>, folder: string, uid: number): string[] {
  const script = 'mount --bind -- "$1" "$2" && cd / && shift 2 && exec "$@"';
  return [
    tools["unshare"] as string,
    "--mount",
    "--propagation",
    "slave",
    "--",
    tools["sh"] as string,
    "-c",
    script,
    "sh",
    folder,
    BOUND,
    tools["setpriv"] as string,
    `--reuid=${uid}`,
    `--regid=${uid}`,
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
    "--",
  ];
}

function bubblewrapArgs(sandbox: {
  network: "none" | "full";
  limits: { memoryBytes: number };
  source: string;
  view: SystemView;
  uid: number;
  descriptors: number[];
  files: { names: readonly string[]; seccomp: boolean };
}): string[] {
  const { network, view, source, uid, descriptors, files } = sandbox;
  // Memory, too: what is in them is counted with the processes' own where control groups count.
  const size = String(Math.max(1 << 20, Math.floor(sandbox.limits.memoryBytes / 4)));
  const tmpfs = (path: string, mode: string): string[] => [
    "--perms",
    mode,
    "--size",
    size,
    "--tmpfs",
    path,
  ];
  const etc = files.names.flatMap((name, index) => [
    "--perms",
    "0444",
    "--file",
    String(descriptors[index]),
    `/etc/${name}`,
  ]);
  return [
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    ...(network === "full" ? ["--share-net"] : []),
    "--uid",
    String(uid),
    "--gid",
    String(uid),
    "--hostname",
    "omoi",
    "--die-with-parent",
    "--new-session",
    "--dir",
    "/etc",
    ...etc,
    ...(network === "full" ? ["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"] : []),
    ...view.args,
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    ...tmpfs("/dev/shm", "1777"),
    "--remount-ro",
    "/dev",
    ...tmpfs("/tmp", "1777"),
    ...tmpfs("/run", "0755"),
    ...tmpfs(HOME, "0700"),
    "--dir",
    "/var",
    "--symlink",
    "../tmp",
    "/var/tmp",
    "--symlink",
    "../run",
    "/var/run",
    "--bind",
    source,
    WORKSPACE,
    "--remount-ro",
    "/",
    "--chdir",
    WORKSPACE,
    ...(files.seccomp ? ["--seccomp", String(descriptors.at(-1))] : []),
    "--json-status-fd",
    String(STATUS),
    "--block-fd",
    String(HOLD),
    "--args",
    String(ENVIRONMENT),
  ];
}

function ownEnvironment(view: SystemView): Record<string, string> {
  return {
    PATH: view.path,
    HOME,
    USER,
    LOGNAME: USER,
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
    TMPDIR: "/tmp",
    TERM: "dumb",
    // A server that is not root works as the same user; the folder is the agent's in any case.
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "safe.directory",
    GIT_CONFIG_VALUE_0: WORKSPACE,
  };
}

/** Limits of each process alone (getrlimit(2)); the sums are held by control groups or the watch. */
function rlimits(
  limits: { openFiles?: number; diskBytes: number | null },
  maxOpenFiles: number,
): string[] {
  return [
    "--core=0",
    `--nofile=${Math.min(limits.openFiles ?? 65_536, maxOpenFiles)}`,
    ...(limits.diskBytes === null ? [] : [`--fsize=${limits.diskBytes}`]),
  ];
}

/** How many files this process, and so whatever it starts, may be allowed to open. */
function ownOpenFilesLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
}

/** The few files of /etc that are the sandbox's own, and the filter: opened anew for each run. */
function writeFiles(folder: string, uid: number) {
  const filter = seccompFilter();
  const etc = {
    passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\n${USER}:x:${uid}:${uid}:${USER}:${HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    group: `root:x:0:\n${USER}:x:${uid}:\nnogroup:x:65534:\n`,
    hosts: "127.0.0.1 localhost omoi\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  };
  const names = Object.keys(etc);
  for (const [name, text] of Object.entries(etc)) writeFileSync(join(folder, name), text);
  if (filter !== null) writeFileSync(join(folder, FILTER), filter);
  const all = filter === null ? names : [...names, FILTER];
  return {
    names,
    seccomp: filter !== null,
    open: () => all.map((name) => openSync(join(folder, name), "r")),
  };
}

const FILTER = "seccomp.bpf";
