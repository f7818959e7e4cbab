import { testTaskKills } from "../support/crash/test-task-kills.js";

// Kills at many effects are in task-crash.thorough.test.ts.
testTaskKills(12, Infinity);
