import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const isThorough = process.env["THOROUGH"] === "1";

/** Files of half a minute and more begin first: no worker waits for one of them at the end. */
const LONGEST = new Set(
  [
    "test/guides/guides.test.ts",
    "test/crash/one-kill.test.ts",
    "test/access/declared-errors.test.ts",
    "test/cli/omoi.test.ts",
    "test/crash/run-repository-crash.test.ts",
    "test/crash/task-crash.test.ts",
    "src/server/features/work/tasks/tasks.test.ts",
    "src/server/features/work/overview/attention.test.ts",
    "src/server/features/work/notifications/notifications.test.ts",
    "src/server/features/execution/mcp/mcp.test.ts",
    "e2e/assistive.e2e.ts",
    "e2e/account.e2e.ts",
    "e2e/organization.e2e.ts",
    "e2e/states.e2e.ts",
    "e2e/tasks.e2e.ts",
    "e2e/runs.e2e.ts",
  ].map((path) => join(import.meta.dirname, path)),
);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) =>
      moduleId.includes(".thorough.") || LONGEST.has(moduleId);
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

/** Two suites: `api` (units and the API) and `browser` (the web app). */
export default defineConfig({
  test: {
    // Generous: these limits end a test that hangs. Machines differ in speed by a factor of four.
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    pool: "forks",
    setupFiles: ["test/support/journal.ts"],
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
          testTimeout: isThorough ? 600_000 : 180_000,
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
          testTimeout: 180_000,
        },
      },
    ],
  },
});
