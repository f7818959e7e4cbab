// Thorough: a kill at each of many effects.
import { testTaskKills } from "../support/crash/test-task-kills.js";
import { isThorough } from "../support/thorough.js";

testTaskKills(1, isThorough ? 1 : 23);
