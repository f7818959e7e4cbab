import { testTaskKills } from "../support/crash/test-task-kills.js";

// Kills at every effect are in task-crash.thorough.test.ts.
testTaskKills(12, Infinity);
