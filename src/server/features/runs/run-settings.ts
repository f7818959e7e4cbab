import type { Config } from "../../config/config.js";

/** What the operator sets for managed runs. */
export type RunSettings = Pick<
  Config,
  | "runLimits"
  | "runFiles"
  | "runTimeoutSeconds"
  | "runStopGraceSeconds"
  | "runLogDays"
  | "secret"
  | "keyPrefix"
  | "trustedProxies"
>;
