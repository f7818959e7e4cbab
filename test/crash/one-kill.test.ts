import { describeActs } from "../support/crash/describe-acts.js";

// Kills at every effect are in every-effect.thorough.test.ts.
describeActs("one");
