/** A sandbox as bubblewrap's arguments (bwrap(1)); what is mounted later covers what was mounted earlier. */
import { ENVIRONMENT, FILES, HOLD, STATUS } from "./blocked-start.js";
import { FILTER, HOME, USER, type EtcFiles } from "./sandbox-etc.js";
import { WORKSPACE } from "../sandbox.js";
import type { SystemView } from "./system-view.js";

export interface SandboxParts {
  /** The workspace's path, where the one who runs bubblewrap can reach it. */
  source: string;
  network: "none" | "full";
  /** Arguments for the folders in memory and the terminals. */
  mounts: readonly string[];
  view: SystemView;
  files: EtcFiles;
}

/**
 * Returns the arguments that confine a command itself.
 * @param uid of the user inside, and group
 */
export function bubblewrapArgs(sandbox: SandboxParts & { uid: number }): string[] {
  const { uid, network, files } = sandbox;
  return [
    namespaces(network),
    // It has no capabilities in its namespaces, and makes none within them.
    ["--disable-userns", "--uid", String(uid), "--gid", String(uid)],
    ["--proc", "/proc", "--dev", "/dev"],
    filesOf(sandbox),
    ["--chdir", WORKSPACE],
    // The rest of what bubblewrap made for it lies in memory, too: nothing can be put there.
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    files.names.includes(FILTER) ? ["--seccomp", String(descriptorOf(files, FILTER))] : [],
    HELD,
  ].flat();
}

/** Folders of the sandbox that runsc is started in; the command sees `root` alone, as its `/`. */
export const GVISOR = { root: "/guest", state: "/state", bundle: "/bundle" } as const;

/**
 * Returns the arguments that confine runsc, which confines the command: it gets all capabilities of its
 * own user namespace, and may make others.
 */
export function gvisorArgs(sandbox: SandboxParts): string[] {
  const { root, state, bundle } = GVISOR;
  // The last of the files is runsc's own configuration.
  const configuration = String(FILES + sandbox.files.names.length);
  return [
    namespaces(sandbox.network),
    ["--uid", "0", "--gid", "0", "--cap-add", "ALL"],
    // The programs that runsc needs lie in what the command sees of the machine.
    sandbox.view.args,
    ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--perms", "0700", "--tmpfs", state],
    ["--file", configuration, `${bundle}/config.json`],
    ["/proc", "/sys", "/dev"].flatMap((folder) => ["--dir", root + folder]),
    below(root, filesOf(sandbox)),
    ["--remount-ro", "/"],
    HELD,
  ].flat();
}

/** How bubblewrap tells its state, is held back, and reads the environment. */
const HELD = [
  ["--json-status-fd", String(STATUS), "--block-fd", String(HOLD)],
  ["--args", String(ENVIRONMENT)],
].flat();

function namespaces(network: "none" | "full"): string[] {
  return [
    ["--unshare-all", "--unshare-user", "--hostname", "omoi"],
    // That of the run, in which bubblewrap itself was started.
    network === "full" ? ["--share-net"] : [],
    ["--die-with-parent", "--new-session"],
  ].flat();
}

/** Its own folders and files, and what of the machine it sees; a folder of tools may lie below its own. */
function filesOf({ source, mounts, view, files }: SandboxParts): string[] {
  const etc = files.names.filter((name) => name !== FILTER);
  return [
    mounts,
    ["--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"],
    etc.flatMap((name) => {
      return ["--perms", "0444", "--file", String(descriptorOf(files, name)), `/etc/${name}`];
    }),
    view.args,
    ["--bind", source, WORKSPACE],
  ].flat();
}

function descriptorOf(files: EtcFiles, name: string): number {
  return FILES + files.names.indexOf(name);
}

/** How many words follow an option that makes something at the path which is its last word. */
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

/** The same files, with every path that is made below `root`. */
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

/** What a command's environment holds before the run's own variables. */
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
