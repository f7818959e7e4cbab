import { z } from "zod";
import { endpoint } from "../contract/endpoint.js";
import { runLimits } from "./runs.js";

const held = z.strictObject({
  enforced: z.boolean(),
  /** What holds it, such as "control groups, version 2"; null where nothing does. */
  by: z.string().nullable(),
});

/** What the machine, or an engine, was found to hold commands to. */
const isolation = {
  /** Why there is none, or what of it is missing; one sentence. */
  reason: z.string().nullable(),
  /** The command that installs what is missing. */
  install: z.string().nullable(),
  /** Whether system calls are filtered. */
  seccomp: z.boolean(),
  /** Whether a run without network has none. */
  network: z.boolean(),
  /** Whether a run with network has one of its own; if not, why, and the command that installs what is missing. */
  full_network: z.strictObject({
    isolated: z.boolean(),
    reason: z.string().nullable(),
    install: z.string().nullable(),
  }),
  enforcement: z.strictObject({
    memory: held,
    processes: held,
    cpu: held,
    output: held,
    disk: held,
  }),
};

/** What this installation holds commands to. */
export const sandboxState = z.strictObject({
  /**
   * `gvisor`: commands have a kernel of their own; `off`: they run without a sandbox, as configured;
   * `unavailable`: they are refused.
   */
  mode: z.enum(["bubblewrap", "gvisor", "off", "unavailable"]),
  ...isolation,
  /** Of workspaces of the type `docker`, whose commands run in containers. */
  docker: z.strictObject({ mode: z.enum(["docker", "unavailable"]), ...isolation }),
  /** In force for runs that start now. */
  limits: runLimits,
  default_timeout_seconds: z.number().int(),
  /** Between the polite end of a run and the forced one. */
  stop_grace_seconds: z.number().int(),
  /** How long logs are kept. */
  log_days: z.number().int(),
});
export type SandboxState = z.output<typeof sandboxState>;

export const sandbox = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/sandbox",
    access: "signed-in",
    summary: "What commands are held to on this installation: isolation, limits, times",
    response: sandboxState,
  }),
};
