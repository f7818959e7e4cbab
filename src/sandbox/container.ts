/**
 * Detects a container that withholds features from the sandbox, and explains how to enable them.
 */
import { existsSync, readFileSync } from "node:fs";
import type { SandboxReport } from "./sandbox.js";

/** Engine options that enable the sandbox (docs/how-to/install.md). */
const SANDBOX = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined";
const NETWORK = "--device /dev/net/tun";

/**
 * Tells whether this process runs in a container: engines leave a marker file, or the root is an
 * overlay.
 */
function isContainer(): boolean {
  if (existsSync("/.dockerenv") || existsSync("/run/.containerenv")) return true;
  try {
    return /^\S+ \/ overlay /m.test(readFileSync("/proc/self/mounts", "utf8"));
  } catch {
    return false;
  }
}

/** Adds the missing engine options to a report's reasons. */
export function withContainerOptions(
  report: SandboxReport,
  inContainer = isContainer(),
): SandboxReport {
  if (!inContainer) return report;
  const after = (reason: string | null, options: string): string | null =>
    reason === null
      ? null
      : `${reason.replace(/\.$/, "")}; Omoi runs in a container: start it with ${options} (docs/how-to/install.md)`;
  if (report.mode === "unavailable") {
    const reason = after(report.reason, SANDBOX);
    return { ...report, reason, ...networksOf(report, reason) };
  }
  if (report.mode === "off") return report;
  return { ...report, ...networksOf(report, after(report.fullNetwork.reason, NETWORK)) };
}

/** In a sandbox of the server itself, both networks lack the same. */
function networksOf(
  { fullNetwork }: SandboxReport,
  reason: string | null,
): Pick<SandboxReport, "fullNetwork" | "restrictedNetwork"> {
  const network = { ...fullNetwork, reason };
  return { fullNetwork: network, restrictedNetwork: network };
}
