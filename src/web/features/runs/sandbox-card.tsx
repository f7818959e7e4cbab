import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { SandboxState } from "#shared/api/sandbox.js";
import { Alert } from "../../ui/alert.js";
import { Card, Details } from "../../ui/card.js";
import { CopyLine } from "../../ui/copy-button.js";
import { Skeleton } from "../../ui/states.js";
import { QueryError } from "../shell/query-state.js";
import { bytesText, durationText } from "./figures.js";
import { sandboxQuery } from "./queries.js";

const modes: Record<SandboxState["mode"], string> = {
  bubblewrap: "On, by bubblewrap",
  off: "Off: commands run as the server does",
  unavailable: "Unavailable: commands are refused",
};

/** What commands are held to on this installation. */
export function SandboxCard(): ReactElement {
  const sandbox = useQuery(sandboxQuery);
  return (
    <Card title="Sandbox and Limits">
      {sandbox.isPending ? (
        <Skeleton rows={1} />
      ) : sandbox.isError ? (
        <QueryError error={sandbox.error} onRetry={() => void sandbox.refetch()} />
      ) : (
        <State state={sandbox.data} />
      )}
    </Card>
  );
}

function State({ state }: { state: SandboxState }): ReactElement {
  const { limits, enforcement } = state;
  const held = (text: string, { enforced, by }: SandboxState["enforcement"]["memory"]): string =>
    enforced ? `${text}${by === null ? "" : ` (${by})`}` : "Not held here";
  return (
    <div className="flex flex-col gap-4">
      {state.reason !== null && (
        <Alert tone={state.mode === "bubblewrap" ? "info" : "warn"}>{state.reason}</Alert>
      )}
      {state.install !== null && (
        <CopyLine text={state.install} label="Copy the command that installs it" />
      )}
      <Details
        columns={2}
        rows={{
          Sandbox: modes[state.mode],
          "System Calls": state.seccomp ? "Filtered" : "Not filtered",
          Memory: held(bytesText(limits.memory_bytes), enforcement.memory),
          Processes: held(String(limits.processes), enforcement.processes),
          CPU: held(limits.cpus === null ? "No limit" : `${limits.cpus} cores`, enforcement.cpu),
          Disk: held(
            limits.disk_bytes === null ? "No limit" : bytesText(limits.disk_bytes),
            enforcement.disk,
          ),
          Output: held(bytesText(limits.output_bytes), enforcement.output),
          "Time Limit": durationText(state.default_timeout_seconds),
        }}
      />
    </div>
  );
}
