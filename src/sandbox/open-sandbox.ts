import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openBubblewrap } from "./bubblewrap/bubblewrap.js";
import { openControlGroups } from "./limits/cgroups.js";
import { withContainerOptions } from "./container.js";
import { assertEnforceable, assertInput } from "./input.js";
import { reapOrphans, markerOf, removeOrphanFolders } from "./reap-orphans.js";
import { probe } from "./bubblewrap/probe.js";
import { resourceName, readProcess } from "./processes.js";
import {
  SandboxRefusal,
  type Sandbox,
  type SandboxSettings,
  unavailableReport,
} from "./sandbox.js";
import { RunningProcesses } from "./launch.js";
import { openUnconfined } from "./unconfined.js";

/**
 * Inspects and probes the machine and opens its sandbox. Takes less than a second.
 * @param withGroups false: never use control groups
 */
export async function openSandbox(settings: SandboxSettings, withGroups = true): Promise<Sandbox> {
  const self = readProcess(process.pid);
  if (self === null) return unavailable("Commands run only on Linux");
  const name = resourceName(self, settings.dataDir);
  const groups = withGroups ? openControlGroups(name, settings.dataDir) : null;
  const parent = join(settings.dataDir, "sandbox");
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const close = (): void => {
    groups?.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const opened =
    settings.sandbox === "off"
      ? openUnconfined(settings, groups, folder)
      : openBubblewrap(settings, groups, folder, markerOf(name));
  if ("missing" in opened) {
    close();
    return unavailable(opened.missing, opened.install);
  }
  const report = withContainerOptions(await probe(folder, opened, groups));
  const running = new RunningProcesses();
  return {
    report,
    async start(input) {
      assertInput(input);
      if (report.mode === "unavailable") throw new SandboxRefusal(`${report.reason}.`);
      if (report.mode !== "off") assertEnforceable(report, input);
      const started = await opened.start(input);
      running.add(started);
      return started;
    },
    async cleanUp() {
      reapOrphans(settings.dataDir);
      await groups?.removeLeftovers();
      removeOrphanFolders(parent);
    },
    async close() {
      await running.stopAll();
      close();
    },
  };
}

/** Returns a sandbox that refuses every command for the given reason. */
export function unavailable(reason: string, install: string | null = null): Sandbox {
  return {
    report: unavailableReport(reason, install),
    start: async () => {
      throw new SandboxRefusal(`${reason}${install === null ? "" : `; install it: ${install}`}.`);
    },
    cleanUp: async () => undefined,
    close: async () => undefined,
  };
}
