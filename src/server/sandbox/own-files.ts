import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seccompFilter } from "./seccomp.js";

/** Files that every sandbox gets from the server by descriptor. */
export interface OwnFiles {
  /** Those of /etc by name, and `FILTER` where there is one for this architecture. */
  names: readonly string[];
  /** Opens each anew, in that order: a descriptor is read once. The caller closes them. */
  open(): number[];
}

/** The user's name and home inside. */
export const USER = "agent";
export const HOME = "/home/agent";

export const FILTER = "seccomp.bpf";

/** Writes them into `folder`. */
export function writeOwnFiles(folder: string, uid: number): OwnFiles {
  const nologin = "/usr/sbin/nologin";
  const files = new Map<string, string | Buffer>([
    [
      "passwd",
      `root:x:0:0:root:/root:${nologin}\n${USER}:x:${uid}:${uid}:${USER}:${HOME}:/bin/sh\n` +
        `nobody:x:65534:65534:nobody:/nonexistent:${nologin}\n`,
    ],
    ["group", `root:x:0:\n${USER}:x:${uid}:\nnogroup:x:65534:\n`],
    ["hosts", "127.0.0.1 localhost omoi\n::1 localhost\n"],
    ["nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"],
  ]);
  const filter = seccompFilter();
  if (filter !== null) files.set(FILTER, filter);
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  const names = [...files.keys()];
  return { names, open: () => names.map((name) => openSync(join(folder, name), "r")) };
}
