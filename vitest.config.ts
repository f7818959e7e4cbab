import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Folders whose tests take minutes each. */
const LONG = /\/test\/(?:faults|crash|installation|real-agents)\//;

/** Begins with the longest files: one that began last would keep the other workers waiting. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const [long, rest] = [true, false].map((isLong) =>
      sorted.filter(({ moduleId }) => LONG.test(moduleId) === isLong),
    );
    return [...(long ?? []), ...(rest ?? [])];
  }
}

/** Two suites: `api` (units and the API) and `browser` (the web app). */
export default defineConfig({
  test: {
    // Generous: these limits end a test that hangs. Machines differ in speed by a factor of four.
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    // A machine that stalls for seconds fails tests that race processes. `npm test` then runs failed files again.
    // Elsewhere, each failure counts.
    retry: process.env["CI"] === undefined ? 0 : 2,
    pool: "forks",
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
          // Randomized tests repeat up to twenty times with THOROUGH=1.
          testTimeout: process.env["THOROUGH"] === "1" ? 600_000 : 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          // With more, pages that wait for each other's processor time take longer in sum.
          maxWorkers: Math.min(availableParallelism(), 4),
          globalSetup: ["test/support/global-setup.ts"],
          include: ["e2e/**/*.e2e.ts"],
          testTimeout: 180_000,
        },
      },
    ],
  },
});
