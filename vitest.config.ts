import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const isThorough = process.env["THOROUGH"] === "1";

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
