/**
 * The part of the machine that a sandboxed command sees, as bubblewrap arguments: the system's
 * program folders and the files in /etc that they need, read-only. No home folders, no service
 * data, no secrets.
 */
import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { ConfigError } from "#shared/node/config-error.js";

export interface SystemView {
  /** bubblewrap arguments. */
  args: string[];
  /** Names of files in /etc to pass by descriptor: a copy costs less than a mount. */
  files: string[];
  /** The command's PATH. */
  path: string;
}

/** Program folders of distributions and common additions. */
const PROGRAMS = ["/usr", "/opt", "/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew"];
/** Top-level folders that are links into /usr on merged systems. */
const ROOT_LINKS = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Machine settings that programs need for files, names and certificates. */
const ETC = [
  "alternatives",
  "crypto-policies",
  "fonts",
  "java",
  "ld.so.cache",
  "localtime",
  "mime.types",
  "os-release",
  "perl",
  "php",
  "pki/ca-trust",
  "pki/tls",
  "protocols",
  "services",
  "ssl/cert.pem",
  "ssl/certs",
  "ssl/openssl.cnf",
  "timezone",
];

const SYSTEM_PATH = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * Inspects the machine once.
 * @param readOnly additional folders to show, absolute; each one's `bin` (or itself) joins the PATH
 * @param hidden folders of the server to cover if they lie inside shown ones
 */
export function inspectSystem(readOnly: readonly string[], hidden: readonly string[]): SystemView {
  const args: string[] = [];
  const shown: string[] = [];
  const show = (path: string): void => {
    args.push("--ro-bind", path, path);
    shown.push(path);
  };
  for (const folder of PROGRAMS) if (existsSync(folder)) show(folder);
  for (const link of ROOT_LINKS) {
    const stats = lstatSync(link, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) args.push("--symlink", readlinkSync(link), link);
    else if (stats?.isDirectory()) show(link);
  }
  const files: string[] = [];
  for (const name of ETC) {
    const path = join("/etc", name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) args.push("--symlink", readlinkSync(path), path);
    else if (stats?.isDirectory()) args.push("--ro-bind", path, path);
    else if (stats?.isFile()) files.push(name);
  }
  const extra = readOnly.map((path) => {
    if (existsSync(path)) return realpathSync(path);
    throw new ConfigError(`OMOI_SANDBOX_READONLY names ${path}, which does not exist; correct it`);
  });
  const node = nodeFolder(realpathSync(process.execPath));
  if (node !== null) extra.push(node);
  const isShown = (path: string): boolean => shown.some((folder) => isWithin(path, folder));
  const path = [...SYSTEM_PATH];
  for (const folder of extra) {
    if (!isShown(folder)) show(folder);
    const programs = [join(folder, "bin"), join(folder, "shims")].filter(existsSync);
    for (const entry of programs.length > 0 ? programs : [folder]) {
      if (!path.includes(entry)) path.unshift(entry);
    }
  }
  // Last, so that no later mount uncovers it.
  for (const folder of hidden) {
    if (isShown(folder)) args.push("--tmpfs", folder, "--remount-ro", folder);
  }
  return { args, files, path: path.join(":") };
}

/**
 * Returns the folder of the server's own Node if it lies outside the system folders (nvm, a
 * tarball) and contains only a Node installation; otherwise null.
 */
function nodeFolder(program: string): string | null {
  const folder = dirname(dirname(program));
  const isInstallation =
    basename(dirname(program)) === "bin" && existsSync(join(folder, "include/node/node_version.h"));
  return isInstallation && !PROGRAMS.some((known) => isWithin(folder, known)) ? folder : null;
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
