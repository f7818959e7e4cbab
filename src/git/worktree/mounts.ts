/** Mounts overlays: an immutable shared lower layer and an upper layer for changes. */
import { lstat, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { runSystem } from "../process/system-command.js";

/** By the kernel, with root privileges; or by one FUSE process per folder. */
export const overlayKinds = ["overlay", "fuse-overlayfs"] as const;
export type OverlayKind = (typeof overlayKinds)[number];

/** A mount or unmount failed; the message contains the system's. */
export class MountError extends Error {
  override readonly name: string = "MountError";
}

/** A process uses the mount, which therefore stays as it is. */
export class MountInUseError extends MountError {
  override readonly name = "MountInUseError";
}

/**
 * The names of the layers in the folder passed to `mountOverlay`. The lower layer is that of the base;
 * below it may be one with an environment.
 */
export const layerNames = {
  lower: "lower/files",
  environment: "environment/files",
  upper: "upper",
  work: "work",
} as const;

/**
 * Mounts the layers below `home` at `folder`. Layer names are relative to `home`, so that no
 * character of the data folder's path can be taken for an option. If the layers have different
 * owners, the kernel maps the lower layers' files to the upper layer's owner.
 * @throws MountError
 */
export async function mountOverlay(kind: OverlayKind, home: string, folder: string): Promise<void> {
  const { lower, environment, upper, work } = layerNames;
  const hasEnvironment = await stat(join(home, environment)).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  const lowers = hasEnvironment ? [lower, environment] : [lower];
  const layersOver = (below: readonly string[]): string =>
    `lowerdir=${below.join(":")},upperdir=${upper},workdir=${work},nosuid,nodev`;
  if (kind === "overlay") {
    const above = await lstat(join(home, upper));
    const owners = await Promise.all(lowers.map((layer) => lstat(join(home, layer))));
    const isMapped = owners.some(({ uid, gid }) => uid !== above.uid || gid !== above.gid);
    const mapped = lowers.map((_, nth) => `${MAPPED}${nth}`);
    // Folders can be renamed, and the upper layer is self-contained: no file data stays below.
    const options = `${layersOver(isMapped ? mapped : lowers)},redirect_dir=on,index=off,metacopy=off`;
    const mount = ["-t", "overlay", "omoi", "-o", options, "--", folder];
    if (!isMapped) return system("mount", mount, home);
    const places = lowers.flatMap((layer, nth) => {
      const { uid, gid } = owners[nth] as (typeof owners)[number];
      return [`${uid}:${above.uid}:1`, `${gid}:${above.gid}:1`, layer];
    });
    const args = [String(lowers.length), ...places, ...mount];
    await system("sh", ["-c", MOUNT_MAPPED, "sh", ...args], home);
  } else {
    const others = process.getuid?.() === 0 ? ",allow_other" : "";
    await system("fuse-overlayfs", ["-o", `${layersOver(lowers)}${others}`, folder], home);
  }
}

/** The temporary id-mapped mounts of the lower layers (mount_setattr(2)). */
const MAPPED = "mapped";
/**
 * Arguments: the number of lower layers; for each the mappings of users and groups, and its path; those
 * of mount(8).
 */
const MOUNT_MAPPED = `
  count=$1 nth=0 status=0
  shift
  while [ $nth -lt $count ] && [ $status = 0 ]; do
    mkdir -p ${MAPPED}$nth && umount ${MAPPED}$nth 2>/dev/null
    mount --bind --map-users "$1" --map-groups "$2" "$3" ${MAPPED}$nth || status=$?
    shift 3
    nth=$((nth + 1))
  done
  [ $status = 0 ] && { mount "$@" || status=$?; }
  while [ $nth -gt 0 ]; do
    nth=$((nth - 1))
    umount ${MAPPED}$nth 2>/dev/null
  done
  exit $status`;

/**
 * Unmounts `folder`; no mount is not an error. A busy mount disappears at once, and the kernel
 * releases it later.
 * @throws MountError
 */
export async function unmount(folder: string): Promise<void> {
  for (let attempt = 1; await isMounted(folder); attempt += 1) {
    try {
      await unmountOnce(folder, { isFirst: attempt === 1, isLazy: attempt > 3 });
    } catch (error) {
      if (attempt > 5) throw error;
      await pause(30 * attempt);
    }
  }
}

/**
 * Unmounts `folder` in order to mount its layers anew; no mount is not an error. Never lazily: a process
 * that goes on in the old mount and one in the new mount would not see each other's files, and replace
 * them.
 * @throws MountInUseError when a process still uses it after a second; MountError
 */
export async function unmountUnused(folder: string): Promise<void> {
  for (let attempt = 1; await isMounted(folder); attempt += 1) {
    try {
      await unmountOnce(folder, { isFirst: attempt === 1, isLazy: false });
    } catch (error) {
      const { message } = error as Error;
      if (attempt < 8) await pause(30 * attempt);
      else throw message.includes("busy") ? new MountInUseError(message, { cause: error }) : error;
    }
  }
}

/** @throws MountError */
async function unmountOnce(
  folder: string,
  { isFirst, isLazy }: { isFirst: boolean; isLazy: boolean },
): Promise<void> {
  if (process.getuid?.() !== 0) {
    await system("fusermount3", ["-u", ...(isLazy ? ["-z"] : []), "--", folder]);
  } else if (!isFirst || !(await callUmount(folder))) {
    await system("umount", [...(isLazy ? ["-l"] : []), "--", folder]);
  }
}

/** System call numbers of umount2(2) by architecture. */
const UMOUNT2: Partial<Record<string, number>> = { x64: 166, arm64: 39 };
const CALL = "my $call = 0 + shift; exit((grep { syscall($call, $_, 8) != 0 } @ARGV) ? 1 : 0)";

/**
 * Unmounts by system call without following a final link (UMOUNT_NOFOLLOW); returns whether all
 * succeeded. umount(8) reads the whole mount table first, which dominates with a thousand mounts;
 * it is the fallback without perl.
 */
async function callUmount(...folders: string[]): Promise<boolean> {
  const number = UMOUNT2[process.arch];
  if (number === undefined) return false;
  return system("perl", ["-e", CALL, "--", String(number), ...folders]).then(
    () => true,
    () => false,
  );
}

/** Folders per unmount process, and concurrent processes: each writes to the disk. */
const BATCH = 50;
const AT_ONCE = 4;

/**
 * Same as `unmount`, for many folders: some milliseconds each. Calls `onError` for each that stays
 * mounted.
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
        // Falls back to umount(8) without perl; remaining mounts are retried one by one.
        if (!(await callUmount(...batch))) await system("umount", ["--", ...batch]).catch(() => {});
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, unmountNext));
  }
  for (const folder of folders) {
    await unmount(folder).catch((error: unknown) => onError(folder, error));
  }
}

/** Tells whether `folder` is a mount point, even of a dead FUSE process. */
export async function isMounted(folder: string): Promise<boolean> {
  return (await mountState(folder)) !== "none";
}

/** Tells whether the mount at `folder` is usable. */
export async function isMountAlive(folder: string): Promise<boolean> {
  return (await mountState(folder)) === "alive";
}

/** The state of a mount: `dead` if its FUSE process has ended. */
async function mountState(folder: string): Promise<"none" | "alive" | "dead"> {
  try {
    const [own, around] = await Promise.all([lstat(folder), lstat(dirname(folder))]);
    return own.dev === around.dev ? "none" : "alive";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOTCONN" ? "dead" : "none";
  }
}

/** Lists the mount points below a folder, deepest first. */
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
