import { rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openTestSandbox } from "#test/support/sandbox/test-sandbox.js";
import { findHierarchies } from "./cgroup-hierarchies.js";
import { readText, subgroups } from "./cgroup-files.js";
import { openControlGroups } from "./cgroups.js";
import { resourceName, readProcess, type ProcessIdentity } from "../processes.js";

const groups = openControlGroups(
  resourceName(readProcess(process.pid) as ProcessIdentity, tmpdir()),
  tmpdir(),
);
groups?.close();

/** Removes the groups of this process's servers from every hierarchy; returns their number. */
function removeServerGroups(): number {
  let removed = 0;
  for (const base of new Set(findHierarchies()?.bases.values())) {
    for (const name of subgroups(base)) {
      if (!name.startsWith(`omoi-${process.pid}-`)) continue;
      rmdirSync(`${base}/${name}`);
      removed += 1;
    }
  }
  return removed;
}

test.runIf(groups?.controllers.has("cpu"))(
  "all commands together have a tenth of the server's share of busy processors",
  async () => {
    const sandbox = await openTestSandbox();
    const shares: number[] = [];
    const base = findHierarchies()?.bases.get("cpu") as string;
    for (const name of subgroups(base)) {
      if (!name.startsWith(`omoi-${process.pid}-`)) continue;
      const file = groups?.version === 1 ? "cpu.shares" : "cpu.weight";
      const [own, usual] = [join(base, name, file), groups?.version === 1 ? 1024 : 100];
      shares.push(Number(readText(own)) / usual);
    }
    // Other sandboxes of this process have groups, too.
    expect(shares.length).toBeGreaterThan(0);
    for (const share of shares) expect(share).toBeCloseTo(0.1, 2);
    await sandbox.close();
  },
);

test.runIf(groups !== null)(
  "recreates a control group that disappeared, with its limits",
  async () => {
    const sandbox = await openTestSandbox();
    expect(removeServerGroups()).toBeGreaterThan(0);
    expect(await sandbox.run(["true"])).toMatchObject({ reason: "exited", exitCode: 0 });
    removeServerGroups();
    const limits = { memoryBytes: 64 << 20 };
    const hog = ["dd", "if=/dev/zero", "of=/dev/null", "bs=400M", "count=1"];
    expect(await sandbox.run(hog, { limits })).toMatchObject({ reason: "memory" });
    await sandbox.close();
    expect(removeServerGroups()).toBe(0);
  },
);
