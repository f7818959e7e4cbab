/** Finds the system programs that a sandbox needs. */
import { accessSync, constants, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** Folders of system programs; a user's PATH is not trusted here. */
const FOLDERS = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/run/current-system/sw/bin", // NixOS
];

/** Returns the real absolute path of a program; null if it is missing. */
export function findProgram(name: string): string | null {
  const path = programPath(name);
  return path === null ? null : realpathSync(path);
}

/** Same as `findProgram` without resolving links: some programs depend on their name. */
export function programPath(name: string): string | null {
  for (const folder of FOLDERS) {
    try {
      const path = join(folder, name);
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return null;
}

const INSTALLS: readonly (readonly [families: RegExp, command: string])[] = [
  [/\b(debian|ubuntu)\b/, "apt-get install"],
  [/\b(fedora|rhel|centos)\b/, "dnf install"],
  [/\bsuse\b/, "zypper install"],
  [/\barch\b/, "pacman -S"],
  [/\balpine\b/, "apk add"],
];

/** Returns the install command of this machine's distribution (os-release(5)); null if unknown. */
export function installCommand(packageName: string): string | null {
  let text: string;
  try {
    text = readFileSync("/etc/os-release", "utf8");
  } catch {
    return null;
  }
  const names = [...text.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)]
    .map((match) => match[1])
    .join(" ");
  const install = INSTALLS.find(([families]) => families.test(names));
  return install === undefined ? null : `${install[1]} ${packageName}`;
}
