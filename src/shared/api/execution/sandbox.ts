import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { nullable } from "../../contract/fields.js";
import { runLimits } from "./runs.js";

const held = z.strictObject({
  enforced: z.boolean().describe("Whether the limit is enforced"),
  by: nullable.string.describe(
    'The mechanism, such as "control groups, version 2"; null if it is not enforced',
  ),
});

const networkSupport = z.strictObject({
  isolated: z.boolean().describe("Whether it is available"),
  reason: nullable.string.describe("Why it is not available, as a sentence; null if it is"),
  install: nullable.string.describe(
    "The command that installs the missing part; null if nothing is missing or no command helps",
  ),
});

/** The limits that a machine or engine enforces. */
const isolation = {
  reason: nullable.string.describe(
    "Why there is no sandbox, or which part is missing, as a sentence; null if all is there",
  ),
  install: networkSupport.shape.install,
  seccomp: z.boolean().describe("Whether system calls are filtered"),
  network: z.boolean().describe("Whether a run without network is cut off from it"),
  full_network: networkSupport.describe(
    "Whether a run with the network `full` gets a network of its own",
  ),
  restricted_network: networkSupport.describe("Whether the network of a run can be restricted"),
  enforcement: z
    .strictObject({
      memory: held.describe("Memory of all processes together"),
      processes: held.describe("Number of processes and threads"),
      cpu: held.describe("Processor time"),
      output: held.describe("Size of the output"),
      disk: held.describe("Size of the workspace"),
    })
    .describe("Which limits of a run are enforced, and by what"),
};

/** The isolation and limits of this installation. */
export const sandboxState = z.strictObject({
  mode: z
    .enum(["bubblewrap", "gvisor", "off", "unavailable"])
    .describe(
      "`gvisor`: commands run on a kernel of their own; `off`: commands run without a sandbox, as configured; `unavailable`: commands are refused.",
    ),
  ...isolation,
  docker: z
    .strictObject({
      mode: z
        .enum(["docker", "unavailable"])
        .describe(
          "`unavailable`: the engine cannot be reached, and commands in docker workspaces are refused",
        ),
      ...isolation,
    })
    .describe("For workspaces of type `docker`, whose commands run in containers"),
  kubernetes: z
    .strictObject({
      available: z
        .boolean()
        .describe("Whether a server of the installation uses a Kubernetes cluster"),
      reason: nullable.string.describe(
        "Why it is not available, or why its runs wait: it is paused, or has not been heard of for a minute; null if it takes runs",
      ),
      networks: z
        .array(z.enum(["none", "restricted", "full"]))
        .describe("Networks that its runs can have; empty if it is not available"),
    })
    .describe("For workspaces of type `kubernetes`, whose commands run in Jobs of the cluster"),
  limits: runLimits.describe("The limits of new runs"),
  default_timeout_seconds: z.int().describe("Timeout in seconds of a run that sets none"),
  stop_grace_seconds: z.int().describe("Seconds between SIGTERM and SIGKILL when a run is stopped"),
  log_days: z.int().describe("Days until the log of a run is deleted"),
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
