/** The sandbox itself, as bubblewrap's arguments (bwrap(1)); what is mounted later covers earlier. */
import { ENVIRONMENT, FILES, HOLD, STATUS } from "./held-start.js";
import { FILTER, HOME, USER, type HandedFiles } from "./own-files.js";
import { WORKSPACE } from "./sandbox.js";
import type { SystemView } from "./system-view.js";

/**
 * @param source the workspace's path, where the one who runs bubblewrap can reach it
 * @param uid of the user inside, and group
 */
export function bubblewrapArgs(sandbox: {
  source: string;
  uid: number;
  network: "none" | "full";
  /** Arguments for the folders in memory and the terminals. */
  mounts: readonly string[];
  view: SystemView;
  files: HandedFiles;
}): string[] {
  const { source, uid, network, view, files } = sandbox;
  const descriptor = (name: string): string => String(FILES + files.names.indexOf(name));
  const etc = files.names.filter((name) => name !== FILTER);
  return [
    // Namespaces of its own, in which it has no capabilities, and none within them.
    ["--unshare-all", "--unshare-user", "--disable-userns"],
    // That of the run, in which bubblewrap itself was started.
    network === "full" ? ["--share-net"] : [],
    ["--uid", String(uid), "--gid", String(uid), "--hostname", "omoi"],
    ["--die-with-parent", "--new-session"],
    // What is its own.
    ["--proc", "/proc", "--dev", "/dev"],
    sandbox.mounts,
    ["--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"],
    // What of the machine it sees; a folder of tools may lie below one of those above.
    etc.flatMap((name) => ["--perms", "0444", "--file", descriptor(name), `/etc/${name}`]),
    view.args,
    ["--bind", source, WORKSPACE, "--chdir", WORKSPACE],
    // The rest of what bubblewrap made for it lies in memory, too: nothing can be put there.
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    files.names.includes(FILTER) ? ["--seccomp", descriptor(FILTER)] : [],
    ["--json-status-fd", String(STATUS), "--block-fd", String(HOLD)],
    ["--args", String(ENVIRONMENT)],
  ].flat();
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
