import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resolverConfiguration } from "../network/resolver.js";
import { HOME } from "../sandbox.js";
import { seccompFilter } from "./seccomp.js";

/** Files passed to a sandbox by descriptor. */
export interface EtcFiles {
  /** Names of the files in /etc, and `FILTER` if this architecture has one. */
  names: readonly string[];
  /** Opens each file, in that order; a descriptor can be read once. The caller closes them. */
  open(): number[];
}

/** The files of sandboxes without and with a network. */
export type FilesByNetwork = Readonly<Record<"none" | "full", EtcFiles>>;

/** Name of the user inside. */
export const USER = "agent";

export const FILTER = "seccomp.bpf";
const RESOLVER = "resolv.conf";

/**
 * Writes the sandbox's own files.
 * @param folder where they are written
 * @param copied names of the machine's files in /etc to include
 */
export function writeEtcFiles(
  folder: string,
  uid: number,
  copied: readonly string[],
  withFilter: boolean,
): FilesByNetwork {
  const nologin = "/usr/sbin/nologin";
  const own = new Map<string, string | Buffer>([
    [
      "passwd",
      `root:x:0:0:root:/root:${nologin}\n${USER}:x:${uid}:${uid}:${USER}:${HOME}:/bin/sh\n` +
        `nobody:x:65534:65534:nobody:/nonexistent:${nologin}\n`,
    ],
    ["group", `root:x:0:\n${USER}:x:${uid}:\nnogroup:x:65534:\n`],
    ["hosts", "127.0.0.1 localhost omoi\n::1 localhost\n"],
    ["nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"],
  ]);
  const filter = withFilter ? seccompFilter() : null;
  if (filter !== null) own.set(FILTER, filter);
  const paths = new Map(copied.map((name) => [name, join("/etc", name)]));
  for (const [name, content] of own) {
    paths.set(name, join(folder, name));
    writeFileSync(join(folder, name), content);
  }
  const resolver = join(folder, RESOLVER);
  const open = (all: Iterable<string>): number[] => [...all].map((path) => openSync(path, "r"));
  return {
    none: { names: [...paths.keys()], open: () => open(paths.values()) },
    full: {
      names: [...paths.keys(), RESOLVER],
      open() {
        // The machine's resolvers may have changed.
        writeFileSync(resolver, resolverConfiguration());
        return open([...paths.values(), resolver]);
      },
    },
  };
}
