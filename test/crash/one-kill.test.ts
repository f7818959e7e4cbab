import { describeOneKill } from "../support/crash/describe-acts.js";

// Kills at many effects are in every-effect.thorough.test.ts.
describeOneKill();
