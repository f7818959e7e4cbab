import { describeOneKill } from "../support/crash/describe-acts.js";

// Kills at many effects are in many-kills.thorough.test.ts.
describeOneKill();
