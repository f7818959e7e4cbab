/** Mounting overlays: a shared lower layer that never changes, and an upper one that takes the changes. */
import { lstat, readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runSystem } from "../process/system-command.js";

/** By the kernel, which root may have; or by a process for each folder, where only that works. */
export const overlayKinds = ["overlay", "fuse-overlayfs"] as const;
export type OverlayKind = (typeof overlayKinds)[number];

/** Something could not be mounted or unmounted; the message says what the system said. */
export class MountError extends Error {
  override readonly name: string = "MountError";
}

/** The names of the layers in the folder that `mountOverlay` is given. */
export const layerNames = { lower: "lower/files", upper: "upper", work: "work" } as const;

/**
 * Mounts the layers below `home` at `folder`. Their names are told relative to `home`, so that no
 * character of the data folder's path can be taken for an option. Where the upper layer has another owner
 * than the lower one, the kernel shows the files of both as those of the upper layer's. Throws a
 * MountError.
 */
export async function mountOverlay(kind: OverlayKind, home: string, folder: string): Promise<void> {
  const { lower, upper, work } = layerNames;
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  if (kind === "overlay") {
    const [below, above] = await Promise.all([lstat(join(home, lower)), lstat(join(home, upper))]);
    const isMapped = below.uid !== above.uid || below.gid !== above.gid;
    // Folders can be renamed, and what is in the upper layer is whole: no file's data stays below.
    const options =
      `lowerdir=${isMapped ? MAPPED : lower},upperdir=${upper},workdir=${work},` +
      "redirect_dir=on,index=off,metacopy=off,nosuid,nodev";
    const mount = ["-t", "overlay", "omoi", "-o", options, "--", folder];
    if (!isMapped) return system("mount", mount, home);
    const mapping = [`${below.uid}:${above.uid}:1`, `${below.gid}:${above.gid}:1`];
    await system("sh", ["-c", MOUNT_MAPPED, "sh", ...mapping, ...mount], home);
  } else {
    const others = process.getuid?.() === 0 ? ",allow_other" : "";
    await system("fuse-overlayfs", ["-o", `${layers},nosuid,nodev${others}`, folder], home);
  }
}

/** Where the lower layer is mounted with other owners (mount_setattr(2)) until the overlay is there. */
const MAPPED = "mapped";
const MOUNT_MAPPED = `
  mkdir -p ${MAPPED} && umount ${MAPPED} 2>/dev/null
  mount --bind --map-users "$1" --map-groups "$2" ${layerNames.lower} ${MAPPED} || exit
  shift 2
  mount "$@"
  status=$?
  umount ${MAPPED}
  exit $status`;

/**
 * Takes away what is mounted at `folder`; nothing there is no error. What is still in use disappears
 * from here at once and is let go of by the system when it is not. Throws a MountError.
 */
export async function unmount(folder: string): Promise<void> {
  for (let attempt = 1; await isMounted(folder); attempt += 1) {
    const isLazy = attempt > 3;
    try {
      if (process.getuid?.() !== 0) {
        await system("fusermount3", ["-u", ...(isLazy ? ["-z"] : []), "--", folder]);
      } else if (attempt > 1 || !(await callUmount(folder))) {
        await system("umount", [...(isLazy ? ["-l"] : []), "--", folder]);
      }
    } catch (error) {
      if (attempt > 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 30 * attempt));
    }
  }
}

/** The number of umount2(2), by the machine's kind. */
const UMOUNT2: Partial<Record<string, number>> = { x64: 166, arm64: 39 };
const CALL = "my $call = 0 + shift; exit((grep { syscall($call, $_, 8) != 0 } @ARGV) ? 1 : 0)";

/**
 * Unmounts by the system's own call, following no link at the end (UMOUNT_NOFOLLOW); answers whether all
 * are. umount(8) first reads through all that is mounted, which with a thousand folders takes longer than
 * all else. Where there is no perl, that is how it is done.
 */
async function callUmount(...folders: string[]): Promise<boolean> {
  const number = UMOUNT2[process.arch];
  if (number === undefined) return false;
  return system("perl", ["-e", CALL, "--", String(number), ...folders]).then(
    () => true,
    () => false,
  );
}

/** Folders that one process unmounts, and how many processes do so at once: each writes to the disk. */
const BATCH = 50;
const AT_ONCE = 4;

/**
 * As `unmount`, for many at once: some milliseconds for each. Calls `onError` for each that stays mounted.
 */
export async function unmountAll(
  folders: readonly string[],
  onError: (folder: string, error: unknown) => void,
): Promise<void> {
  if (process.getuid?.() === 0) {
    const batches = Array.from({ length: Math.ceil(folders.length / BATCH) }, (_, number) =>
      folders.slice(number * BATCH, (number + 1) * BATCH),
    ).values();
    const unmountNext = async (): Promise<void> => {
      for (const batch of batches) {
        // Without perl, by umount(8); those that are still mounted are tried again one by one.
        if (!(await callUmount(...batch))) await system("umount", ["--", ...batch]).catch(() => {});
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, unmountNext));
  }
  for (const folder of folders) {
    await unmount(folder).catch((error: unknown) => onError(folder, error));
  }
}

/** Whether something is mounted at `folder`, were it by a process that has died. */
export async function isMounted(folder: string): Promise<boolean> {
  return (await mountState(folder)) !== "none";
}

/** Whether what is mounted at `folder` can be used. */
export async function isMountAlive(folder: string): Promise<boolean> {
  return (await mountState(folder)) === "alive";
}

/** What is mounted at `folder`: `dead` where the process that served it has ended. */
async function mountState(folder: string): Promise<"none" | "alive" | "dead"> {
  try {
    const [own, around] = await Promise.all([lstat(folder), lstat(dirname(folder))]);
    return own.dev === around.dev ? "none" : "alive";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOTCONN" ? "dead" : "none";
  }
}

/** Where anything is mounted below a folder, the deepest first. */
export async function listMounts(below: string): Promise<string[]> {
  const text = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const points = text.split("\n").map((line) => line.split(" ")[4] ?? "");
  const root = await realpath(below).catch(() => below);
  return points
    .map((point) => point.replace(/\\([0-7]{3})/g, (_, digits) => byte(digits)))
    .filter((point) => point.startsWith(`${root}/`))
    .toReversed();
}

function byte(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}

async function system(program: string, args: readonly string[], cwd = "/"): Promise<void> {
  try {
    await runSystem(program, args, { cwd });
  } catch (error) {
    throw new MountError((error as Error).message, { cause: error });
  }
}
