import { describeKills } from "../support/crash/describe-kills.js";

// More kills of one server are in crash.thorough.test.ts.
describeKills([1]);
