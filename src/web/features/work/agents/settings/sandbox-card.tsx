import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { SandboxState } from "#shared/api/execution/sandbox.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Details } from "../../../../ui/layout/card.js";
import { CopyLine } from "../../../../ui/feedback/copy-button.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { formatBinaryBytes, formatDuration } from "../../../execution/parts/runs/format.js";
import { type Isolation, isolationOf } from "../../../execution/parts/runs/isolation.js";
import { sandboxQuery } from "../../../../api/queries/execution/runs.js";

const modes: Record<Isolation["mode"], string> = {
  bubblewrap: "On, by bubblewrap",
  gvisor: "On, by gVisor in bubblewrap: each command has a kernel of its own",
  docker: "On, in containers of Docker",
  off: "Off: commands run as the server does",
  unavailable: "Unavailable: commands are refused",
};

interface SandboxCardProps {
  /** The workspace type of the agent. */
  workspaceType: Agent["workspace_type"];
}

/** Isolation and limits of commands on this installation. */
export function SandboxCard({ workspaceType }: SandboxCardProps): ReactElement {
  const sandbox = useQuery(sandboxQuery);
  return (
    <ResourceCard title="Sandbox and limits" query={sandbox} rows={1}>
      {(data) => (
        <State
          isolation={isolationOf(data, workspaceType)}
          timeoutSeconds={data.default_timeout_seconds}
        />
      )}
    </ResourceCard>
  );
}

function networkOf({ mode, network, full_network }: Isolation): string {
  if (!network) return "The machine's own";
  if (full_network.isolated) return "None, unless a run asks for it";
  return mode === "unavailable" ? "None" : `None. ${full_network.reason}.`;
}

function State({
  isolation,
  timeoutSeconds,
}: {
  isolation: Isolation;
  timeoutSeconds: number;
}): ReactElement {
  const { limits, enforcement } = isolation;
  const install = isolation.install ?? isolation.full_network.install;
  const limitText = (
    text: string,
    { enforced, by }: SandboxState["enforcement"]["memory"],
  ): string => (enforced ? `${text}${by === null ? "" : ` (${by})`}` : "Not enforced here");
  return (
    <div className="flex flex-col gap-4">
      {isolation.reason !== null && (
        <Alert
          tone={isolation.mode === "bubblewrap" || isolation.mode === "gvisor" ? "info" : "warn"}
        >
          {isolation.reason}.
        </Alert>
      )}
      {install !== null && <CopyLine text={install} label="Copy the command that installs it" />}
      <Details
        columns={2}
        rows={{
          Sandbox: modes[isolation.mode],
          "System calls": isolation.seccomp ? "Filtered" : "Not filtered",
          Network: networkOf(isolation),
          Memory: limitText(formatBinaryBytes(limits.memory_bytes), enforcement.memory),
          Processes: limitText(String(limits.processes), enforcement.processes),
          CPU: limitText(
            limits.cpus === null ? "No limit" : `${limits.cpus} cores`,
            enforcement.cpu,
          ),
          Disk: limitText(
            limits.disk_bytes === null ? "No limit" : formatBinaryBytes(limits.disk_bytes),
            enforcement.disk,
          ),
          Output: limitText(formatBinaryBytes(limits.output_bytes), enforcement.output),
          "Time limit": formatDuration(timeoutSeconds),
        }}
      />
    </div>
  );
}
