import type { Benchmark } from "../support/harness.js";
import { changesMethod, measureChanges } from "./changes.js";
import { measureScrolling, scrollingMethod } from "./scrolling.js";
import { measureThreads, threadsMethod } from "./threads.js";

/** A large change must be on the screen about as fast as git computes it, and threads be found as fast as blame. */
export const reviews: Benchmark = {
  name: "reviews",
  method: `${changesMethod} ${scrollingMethod} ${threadsMethod}`,
  run: async (folder, log) => [
    ...(await measureChanges(folder, log)),
    ...(await measureScrolling(folder, log)),
    await measureThreads(folder, log),
  ],
};
