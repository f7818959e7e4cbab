import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
// @ts-expect-error -- a script for a bare Node, without types
import { isLong } from "./scripts/long-tests.mjs";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that this run leaves out; `scripts/test.mjs` sets them. */
const skipped = (process.env["OMOI_TEST_SKIPPED"] ?? "").split(",").filter(Boolean);

/** Begins with the longest files: one that began last would keep the other workers waiting. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const [long, rest] = [true, false].map((wanted) =>
      sorted.filter(({ moduleId }) => isLong(relative(import.meta.dirname, moduleId)) === wanted),
    );
    return [...(long ?? []), ...(rest ?? [])];
  }
}

/** Two suites: `api` (units and the API) and `browser` (the web app). */
export default defineConfig({
  test: {
    // Generous: these limits end a test that hangs. Machines differ in speed by a factor of four.
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    pool: "forks",
    setupFiles: ["test/support/measure-file.ts"],
    // Files of a worker share their imports. Each starts its own application and database.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "api",
          // They wait for processes, leases and disks for half of their time.
          maxWorkers: Math.min(2 * availableParallelism(), 6),
          globalSetup: ["test/support/global-setup.ts"],
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...skipped],
          // Randomized tests repeat up to twenty times with THOROUGH=1.
          testTimeout: process.env["THOROUGH"] === "1" ? 600_000 : 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          // A worker uses about half of a processor: pages wait for answers, timers and the end of animations.
          maxWorkers: Math.min(Math.ceil(1.5 * availableParallelism()), 4),
          globalSetup: ["test/support/global-setup.ts"],
          include: ["e2e/**/*.e2e.ts"],
          exclude: [...configDefaults.exclude, ...skipped],
          testTimeout: 180_000,
        },
      },
    ],
  },
});
