import type { Config } from "../../../config/config.js";

/** The operator's settings for managed runs. */
export type RunSettings = Pick<
  Config,
  | "runLimits"
  | "runFiles"
  | "runTimeoutSeconds"
  | "runStopGraceSeconds"
  | "runLogDays"
  | "maxPushMib"
  | "checksAtOnce"
  | "secret"
  | "keyPrefix"
  | "trustedProxies"
  | "egressPrivateHosts"
>;
