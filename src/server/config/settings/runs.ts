import { z } from "zod";
import type { RunLimits } from "#shared/api/execution/runs.js";
import { group, setting, type Setting, type SettingGroup } from "../setting.js";
import {
  files,
  defaultUids,
  folders,
  maxUid,
  oneOf,
  processors,
  uidRange,
  wholeNumber,
} from "../setting-types.js";

const mib = 1024 * 1024;

/** Sandboxes, runs and their limits. */
export const runSettings = {
  agentUid: setting({
    variable: "OMOI_AGENT_UID",
    type: wholeNumber(1, maxUid),
    default: "60861",
    documentation: "Owner of workspace files, as user and group, where the server runs as root.",
  }),
  networkUid: setting({
    variable: "OMOI_NETWORK_UID",
    type: wholeNumber(1, maxUid),
    default: "60860",
    documentation:
      "User of the programs that connect runs to the network where the server runs as root.",
  }),
  folderDriver: setting({
    variable: "OMOI_FOLDER_DRIVER",
    type: oneOf("auto", "overlay", "checkout"),
    default: "auto",
    documentation:
      "How workspaces are stored: mounted over shared files in constant time (`overlay`), written file by file (`checkout`), or mounted where the machine supports it (`auto`).",
  }),
  sandbox: setting({
    variable: "OMOI_SANDBOX",
    type: oneOf("required", "gvisor", "off"),
    default: "required",
    documentation:
      "`required` rejects commands that cannot be confined, `gvisor` also requires a separate kernel (runsc) for each command, and `off` runs commands without a sandbox and shows a warning beside them.",
  }),
  sandboxUids: setting({
    variable: "OMOI_SANDBOX_UIDS",
    type: uidRange,
    default: defaultUids,
    documentation:
      "Range of uids, one per workspace, for runs where the server runs as root. `shared` runs every command as `OMOI_AGENT_UID`.",
  }),
  sandboxReadOnly: setting({
    variable: "OMOI_SANDBOX_READONLY",
    type: folders,
    default: "",
    documentation: "Further folders, separated by `:`, that commands may read, such as tools.",
  }),
  runLimits: group(
    {
      memory: setting({
        variable: "OMOI_RUN_MEMORY_MIB",
        type: wholeNumber(32, 1024 * 1024),
        default: "4096",
        documentation: "Maximum memory of a run, in MiB.",
      }),
      processes: setting({
        variable: "OMOI_RUN_PROCESSES",
        type: wholeNumber(8, 100_000),
        default: "512",
        documentation: "Maximum processes and threads of a run.",
      }),
      cpus: setting({
        variable: "OMOI_RUN_CPUS",
        type: processors,
        default: "auto",
        documentation:
          "Maximum processors of a run, such as `1.5`; `0` sets no limit, `auto` sets 2 where the machine can limit processors.",
      }),
      disk: setting({
        variable: "OMOI_RUN_DISK_MIB",
        type: wholeNumber(0, 1024 * 1024),
        default: "10240",
        documentation: "Maximum size of the workspace of a run, in MiB; `0` sets no limit.",
      }),
      output: setting({
        variable: "OMOI_RUN_OUTPUT_MIB",
        type: wholeNumber(1, 1024 * 1024),
        default: "64",
        documentation: "Maximum size of the log of a run, in MiB.",
      }),
    },
    ({
      memory,
      processes,
      cpus,
      disk,
      output,
    }): Omit<RunLimits, "cpus"> & { cpus: typeof cpus } => ({
      memory_bytes: memory * mib,
      processes,
      cpus,
      disk_bytes: disk === 0 ? null : disk * mib,
      output_bytes: output * mib,
    }),
  ),
  /** Null: no limit. */
  runFiles: setting({
    variable: "OMOI_RUN_FILES",
    type: files,
    default: "auto",
    documentation:
      "Maximum files and folders in the workspace of a run, including deleted files that are still open; `0` sets no limit, `auto` sets one for each 4 KiB of `OMOI_RUN_DISK_MIB`, at most 1 000 000.",
  }),
  runTimeoutSeconds: setting({
    variable: "OMOI_RUN_TIMEOUT_SECONDS",
    type: wholeNumber(1, 14 * 86_400),
    default: "21600",
    documentation: "Timeout of a run that sets none, in seconds.",
  }),
  runStopGraceSeconds: setting({
    variable: "OMOI_RUN_STOP_GRACE_SECONDS",
    type: wholeNumber(0, 300),
    default: "10",
    documentation: "Seconds between SIGTERM and SIGKILL when a run is stopped.",
  }),
  checksAtOnce: setting({
    variable: "OMOI_CHECKS_AT_ONCE",
    type: wholeNumber(1, 100),
    default: "2",
    documentation: "Checks of merge queues that this process runs at the same time.",
  }),
  runLogDays: setting({
    variable: "OMOI_RUN_LOG_DAYS",
    type: wholeNumber(1, 3650),
    default: "30",
    documentation:
      "Days after its last output until the log of a run, or the transcript of a session, is deleted.",
  }),
  shutdownRuns: setting({
    variable: "OMOI_SHUTDOWN_RUNS",
    type: oneOf("stop", "drain"),
    default: "stop",
    documentation: "On SIGTERM, `stop` stops all runs and `drain` waits until they end.",
  }),
  dockerSocket: setting({
    variable: "OMOI_DOCKER_SOCKET",
    type: z.string(),
    default: "/var/run/docker.sock",
    documentation: "Socket of the Docker engine that runs the commands of docker workspaces.",
  }),
  dockerImage: setting({
    variable: "OMOI_DOCKER_IMAGE",
    type: z.string(),
    default: "node:24",
    documentation: "Image of docker workspaces; run `docker pull` for it first.",
  }),
} satisfies Record<string, Setting<unknown> | SettingGroup<unknown>>;
