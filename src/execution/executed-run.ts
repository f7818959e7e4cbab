import type { Run, RunLimits } from "#shared/api/agents/runs.js";
import type { PresetName } from "#shared/preset-names.js";

/** A run as its executor sees it. */
export interface ExecutedRun {
  id: string;
  kind: "managed" | "check" | "build";
  command: readonly string[];
  preset: PresetName | null;
  network: NonNullable<Run["network"]>;
  /** For the network `restricted`. */
  allowed_hosts: readonly string[] | null;
  timeout_seconds: number;
  limits: RunLimits;
}
