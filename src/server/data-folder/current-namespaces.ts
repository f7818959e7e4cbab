import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

const bootFile = "/proc/sys/kernel/random/boot_id";

/** Returns the id of the kernel's boot; the host name on systems without one. */
export function currentBoot(): string {
  return existsSync(bootFile) ? readFileSync(bootFile, "utf8").trim() : hostname();
}

/**
 * Identifies the processes and mounts that this process sees: the kernel's boot, and the pid and mount
 * namespaces.
 */
export function currentNamespaces(): string {
  if (process.platform !== "linux") return currentBoot();
  return [currentBoot(), readlinkSync("/proc/self/ns/pid"), readlinkSync("/proc/self/ns/mnt")].join(
    " ",
  );
}
