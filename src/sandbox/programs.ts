/** The machine's programs that a sandbox is made with. */
import { accessSync, constants, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** Folders that hold a system's own programs; what a user's PATH adds is not trusted with this. */
const FOLDERS = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/run/current-system/sw/bin", // NixOS
];

/** The absolute path of a program, real; null where there is none. */
export function findProgram(name: string): string | null {
  const path = programPath(name);
  return path === null ? null : realpathSync(path);
}

/** As `findProgram`, under its own name: some programs act by the name that they are called by. */
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

/** How this machine's distribution installs a package (os-release(5)); null where it is not known. */
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
