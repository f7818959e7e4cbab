// Thorough: a kill at each of many effects.
import { describeActs } from "../support/crash/describe-acts.js";

describeActs("many");
