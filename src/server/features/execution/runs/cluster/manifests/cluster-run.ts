import type { RunLimits } from "#shared/api/execution/runs.js";
import type { Config } from "../../../../../config/config.js";

/** The operator's settings of runs in the cluster. */
export type ClusterSettings = NonNullable<Config["kubernetes"]>;

/** A run that becomes a Job. */
export interface ClusterRun {
  id: string;
  org_id: string;
  project_id: string;
  agent_id: string;
  network: "none" | "restricted" | "full";
  timeout_seconds: number;
  limits: RunLimits;
  /** The image of its command. */
  image: string;
}

/** How pods reach the server. */
export interface ServerPlace {
  url: string;
  /** Names and their addresses, so that pods need no name server. */
  hosts: { name: string; addresses: string[] }[];
  /** Ports of the server's process, and of its proxy; null without one. */
  port: number;
  egressPort: number | null;
}
