import { defineConfig } from "vitest/config";

/** Two suites: `api` (units and the API) and `browser` (the story through the pages). */
export default defineConfig({
  test: {
    hookTimeout: 60_000,
    // What is waited for comes late where other tests are at work.
    expect: { poll: { timeout: 20_000 } },
    pool: "forks",
    // Files share what they import; each has an application and a database of its own all the same.
    isolate: false,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "api",
          globalSetup: ["test/support/global-setup.ts"],
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          // Thorough tests repeat, each up to twenty times.
          testTimeout: process.env["THOROUGH"] === "1" ? 600_000 : 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          globalSetup: ["test/support/global-setup.ts"],
          include: ["e2e/**/*.e2e.ts"],
          testTimeout: 180_000,
        },
      },
    ],
  },
});
