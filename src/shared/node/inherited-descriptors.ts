import { openSync, readdirSync, readFileSync } from "node:fs";

export type Stdio = readonly ("ignore" | "pipe" | "ipc" | number)[];

/**
 * Prevents descriptors inherited by the server from leaking: Node sets close-on-exec only on those
 * that it opens itself and the first few. Replaces them by /dev/null.
 */
export function withoutInherited(stdio: Stdio): ("ignore" | "pipe" | "ipc" | number)[] {
  inherited ??= findInherited();
  const all = [...stdio];
  for (const descriptor of inherited.descriptors) {
    if (descriptor < stdio.length) continue;
    while (all.length < descriptor) all.push("ignore");
    all[descriptor] = inherited.nothing;
  }
  return all;
}

let inherited: { descriptors: number[]; nothing: number } | undefined;

function findInherited(): { descriptors: number[]; nothing: number } {
  const descriptors: number[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    let info: string;
    try {
      info = readFileSync(`/proc/self/fdinfo/${name}`, "utf8");
    } catch {
      continue; // The descriptor of the listing itself.
    }
    const flags = Number.parseInt(/^flags:\s+([0-7]+)/m.exec(info)?.[1] ?? "0", 8);
    if (Number(name) > 2 && (flags & CLOSE_ON_EXEC) === 0) descriptors.push(Number(name));
  }
  return { descriptors, nothing: descriptors.length > 0 ? openSync("/dev/null", "r") : -1 };
}

const CLOSE_ON_EXEC = 0o2000000;
