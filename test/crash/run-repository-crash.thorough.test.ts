// Thorough: kills at many effects, at others in each run.
import { randomInt } from "node:crypto";
import { testRunKills } from "../support/crash/test-run-kills.js";

const STEP = 9;
testRunKills(1 + randomInt(STEP), STEP);
