// Thorough: kills at many effects, at others in each run.
import { randomInt } from "node:crypto";
import { testTaskKills } from "../support/crash/test-task-kills.js";

const STEP = 3;
testTaskKills(1 + randomInt(STEP), STEP);
