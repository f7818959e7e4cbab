// Thorough: the same server is killed in rounds.
import { describeKills } from "../support/crash/describe-kills.js";

describeKills([1, 2, 3, 4]);
