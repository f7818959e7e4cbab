import { mergeConfig } from "vitest/config";
import base from "./vitest.config.ts";

export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  { test: { include: ["e2e/**/*.e2e.ts"], testTimeout: 120_000, fileParallelism: false } },
);
