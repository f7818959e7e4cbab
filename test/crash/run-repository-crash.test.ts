import { testRunKills } from "../support/crash/test-run-kills.js";

// Kills at many effects are in run-repository-crash.thorough.test.ts.
testRunKills(20, Infinity);
