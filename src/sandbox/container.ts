/** The machine as a container shows it: what its engine keeps from the sandbox, and how to get it back. */
import { existsSync, readFileSync } from "node:fs";
import type { SandboxReport } from "./sandbox.js";

/** What an engine is told so that the sandbox can be made (docs/how-to/install.md). */
const SANDBOX = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined";
const NETWORK = "--device /dev/net/tun";

/** Whether this process runs in a container: engines leave a file, or the root is a layered file system. */
function isContainer(): boolean {
  if (existsSync("/.dockerenv") || existsSync("/run/.containerenv")) return true;
  try {
    return /^\S+ \/ overlay /m.test(readFileSync("/proc/self/mounts", "utf8"));
  } catch {
    return false;
  }
}

/** Adds to a report's reasons the engine's options that this container was started without. */
export function withContainerOptions(
  report: SandboxReport,
  inContainer = isContainer(),
): SandboxReport {
  if (!inContainer) return report;
  const after = (reason: string | null, options: string): string | null =>
    reason === null
      ? null
      : `${reason.replace(/\.$/, "")}; Omoi runs in a container, so start that with ${options} (docs/how-to/install.md)`;
  if (report.mode === "unavailable") {
    const reason = after(report.reason, SANDBOX);
    return { ...report, reason, fullNetwork: { ...report.fullNetwork, reason } };
  }
  const { fullNetwork } = report;
  const reason = after(fullNetwork.reason, NETWORK);
  return report.mode === "off" ? report : { ...report, fullNetwork: { ...fullNetwork, reason } };
}
