// Thorough: kills at many effects of each act.
import { describeManyKills } from "../support/crash/describe-acts.js";

describeManyKills();
