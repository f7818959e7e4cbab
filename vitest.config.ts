import { join } from "node:path";
import { defineConfig } from "vitest/config";

const root = import.meta.dirname;

/** Two suites: `api` (units and the API) and `browser` (the story through the pages). */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^#(shared|server)\/(.*)\.js$/, replacement: join(root, "src/$1/$2.ts") },
      { find: /^#test\/(.*)\.js$/, replacement: join(root, "test/$1.ts") },
    ],
  },
  test: {
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "api",
          globalSetup: ["test/global-setup.ts"],
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          globalSetup: ["test/global-setup.ts"],
          include: ["e2e/**/*.e2e.ts"],
          testTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
