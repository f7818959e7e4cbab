import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { runLimits } from "./runs.js";

const held = z.strictObject({
  enforced: z.boolean(),
  /** The mechanism, such as "control groups, version 2"; null if it is not enforced. */
  by: z.string().nullable(),
});

const networkSupport = z.strictObject({
  isolated: z.boolean(),
  /** Why not. */
  reason: z.string().nullable(),
  /** The command that installs the missing part. */
  install: z.string().nullable(),
});

/** The limits that a machine or engine enforces. */
const isolation = {
  /** Why there is no sandbox, or which part is missing; one sentence. */
  reason: z.string().nullable(),
  /** The command that installs the missing part. */
  install: z.string().nullable(),
  /** Whether system calls are filtered. */
  seccomp: z.boolean(),
  /** Whether a run without network is cut off from it. */
  network: z.boolean(),
  /** Whether a run with the network `full` gets a network of its own. */
  full_network: networkSupport,
  /** Whether the network of a run can be restricted. */
  restricted_network: networkSupport,
  enforcement: z.strictObject({
    memory: held,
    processes: held,
    cpu: held,
    output: held,
    disk: held,
  }),
};

/** The isolation and limits of this installation. */
export const sandboxState = z.strictObject({
  /**
   * `gvisor`: commands run on a kernel of their own; `off`: commands run without a sandbox, as
   * configured; `unavailable`: commands are refused.
   */
  mode: z.enum(["bubblewrap", "gvisor", "off", "unavailable"]),
  ...isolation,
  /** For workspaces of type `docker`, whose commands run in containers. */
  docker: z.strictObject({ mode: z.enum(["docker", "unavailable"]), ...isolation }),
  /** The limits of new runs. */
  limits: runLimits,
  default_timeout_seconds: z.number().int(),
  /** Seconds between TERM and KILL. */
  stop_grace_seconds: z.number().int(),
  /** Days that logs are kept. */
  log_days: z.number().int(),
});
export type SandboxState = z.output<typeof sandboxState>;

export const sandbox = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/sandbox",
    access: "signed-in",
    summary: "Get the isolation and limits of commands on this installation",
    response: sandboxState,
  }),
};
