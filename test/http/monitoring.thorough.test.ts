// Thorough: promtool evaluates every rule over days of series.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const tries = join(import.meta.dirname, "alerts.test.yaml");
const promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].find((path) => existsSync(path));

test.skipIf(promtool === undefined)(
  `each alert fires at its threshold, and not below it${promtool ? "" : " (skipped: promtool is not installed)"}`,
  () => {
    const tried = spawnSync(promtool as string, ["test", "rules", tries], { encoding: "utf8" });
    expect([tried.status, tried.stdout, tried.stderr]).toEqual([
      0,
      expect.stringContaining("SUCCESS"),
      "",
    ]);
  },
);
