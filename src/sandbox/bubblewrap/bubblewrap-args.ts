/** A sandbox as bubblewrap arguments (bwrap(1)); later mounts cover earlier ones. */
import { ENVIRONMENT_FD, FIRST_FILE_FD, BLOCK_FD, STATUS_FD } from "./blocked-start.js";
import { FILTER, USER, type EtcFiles } from "./sandbox-etc.js";
import { HOME, WORKSPACE, type ReadOnlyFolder, type SandboxInput } from "../sandbox.js";
import type { SystemView } from "./system-view.js";

export interface SandboxParts {
  /** The workspace's path as seen by bubblewrap. */
  source: string;
  /** The read-only folders as seen by bubblewrap. */
  readOnly: readonly ReadOnlyFolder[];
  network: SandboxInput["network"];
  /** Arguments for the in-memory folders, the home and the terminals. */
  mounts: readonly string[];
  view: SystemView;
  files: EtcFiles;
}

/**
 * Returns the arguments that confine a command directly.
 * @param uid user id inside, also used as the group id
 */
export function bubblewrapArgs(sandbox: SandboxParts & { uid: number }): string[] {
  const { uid, network, files } = sandbox;
  return [
    namespaces(network),
    // No capabilities in its namespaces, and no new namespaces inside them.
    ["--disable-userns", "--uid", String(uid), "--gid", String(uid)],
    ["--proc", "/proc", "--dev", "/dev"],
    filesOf(sandbox),
    ["--chdir", WORKSPACE],
    // The rest of bubblewrap's root is in memory, too: make it read-only.
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    files.names.includes(FILTER) ? ["--seccomp", String(descriptorOf(files, FILTER))] : [],
    BLOCKED_START,
  ].flat();
}

/** Folders of the sandbox around runsc; the command sees only `root`, as its `/`. */
export const GVISOR = { root: "/guest", state: "/state", bundle: "/bundle" } as const;

/**
 * Returns the arguments that confine runsc, which confines the command. runsc gets all capabilities
 * in its own user namespace and may create further ones.
 */
export function gvisorArgs(sandbox: SandboxParts): string[] {
  const { root, state, bundle } = GVISOR;
  // The last file is runsc's own configuration.
  const configuration = String(FIRST_FILE_FD + sandbox.files.names.length);
  return [
    namespaces(sandbox.network),
    ["--uid", "0", "--gid", "0", "--cap-add", "ALL"],
    // The system view contains the programs that runsc needs.
    sandbox.view.args,
    ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--perms", "0700", "--tmpfs", state],
    ["--file", configuration, `${bundle}/config.json`],
    ["/proc", "/sys", "/dev"].flatMap((folder) => ["--dir", root + folder]),
    below(root, filesOf(sandbox)),
    ["--remount-ro", "/"],
    BLOCKED_START,
  ].flat();
}

/** The status, block and environment descriptors. */
const BLOCKED_START = [
  ["--json-status-fd", String(STATUS_FD), "--block-fd", String(BLOCK_FD)],
  ["--args", String(ENVIRONMENT_FD)],
].flat();

function namespaces(network: SandboxInput["network"]): string[] {
  return [
    ["--unshare-all", "--unshare-user", "--hostname", "omoi"],
    // Shares the run's network namespace, in which bubblewrap was started.
    network === "none" ? [] : ["--share-net"],
    ["--die-with-parent", "--new-session"],
  ].flat();
}

/**
 * The sandbox's own folders and files, and the visible part of the machine; a tool folder may lie
 * below one of its own.
 */
function filesOf({ source, readOnly, mounts, view, files }: SandboxParts): string[] {
  const etc = files.names.filter((name) => name !== FILTER);
  return [
    mounts,
    ["--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"],
    etc.flatMap((name) => {
      return ["--perms", "0444", "--file", String(descriptorOf(files, name)), `/etc/${name}`];
    }),
    view.args,
    ["--bind", source, WORKSPACE],
    readOnly.flatMap((folder) => ["--ro-bind", folder.source, folder.path]),
  ].flat();
}

function descriptorOf(files: EtcFiles, name: string): number {
  return FIRST_FILE_FD + files.names.indexOf(name);
}

/** The number of arguments of each option whose last argument is a path to create. */
const WORDS: Readonly<Record<string, number>> = {
  "--ro-bind": 2,
  "--bind": 2,
  "--dev-bind": 2,
  "--symlink": 2,
  "--file": 2,
  "--tmpfs": 1,
  "--dir": 1,
  "--remount-ro": 1,
};

/** Moves all created paths below `root`. */
function below(root: string, args: readonly string[]): string[] {
  const result = [...args];
  for (let index = 0; index < result.length; index += 1) {
    const words = WORDS[result[index] as string];
    if (words === undefined) continue;
    index += words;
    result[index] = root + result[index];
  }
  return result;
}

/** Returns the default environment of a command, before the run's own variables. */
export function ownEnvironment(view: SystemView): Record<string, string> {
  return {
    PATH: view.path,
    HOME,
    USER,
    LOGNAME: USER,
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
    TMPDIR: "/tmp",
    TERM: "dumb",
  };
}
