// Thorough: a kill at each of many effects.
import { testRunKills } from "../support/crash/test-run-kills.js";
import { isThorough } from "../support/thorough.js";

testRunKills(1, isThorough ? 1 : 37);
