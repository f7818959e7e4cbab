import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Runner } from "#shared/api/execution/runners.js";
import { organizationChoicesQuery, runnerList } from "../../../api/queries/operation/admin.js";
import { Button } from "../../../ui/actions/button.js";
import { Badge, type Tone } from "../../../ui/feedback/badge.js";
import { formatNumber } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { CursorTable } from "./cursor-table.js";
import { RegisterRunnerDialog } from "./register-runner-dialog.js";
import { RunnerActions } from "./runner-actions.js";
import { RunnerTokenDialog } from "./runner-token-dialog.js";

const states: Record<Runner["status"], { label: string; tone: Tone }> = {
  online: { label: "Online", tone: "good" },
  paused: { label: "Paused", tone: "warn" },
  offline: { label: "Offline", tone: "neutral" },
};

type Shown = { dialog: "register" } | { dialog: "token"; name: string; token: string };

/** The machines that take runs of remote workspaces, and the cluster. */
export function RunnersTab(): ReactElement {
  const [shown, setShown] = useState<Shown | null>(null);
  const close = (): void => setShown(null);
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <p className="max-w-2xl text-muted">
          A runner executes runs of remote workspaces on another machine, in the sandbox of that
          machine. A run is taken by a runner that has all labels of the run. Servers that use a
          Kubernetes cluster list it here, too.
        </p>
        <Button icon="plus" onClick={() => setShown({ dialog: "register" })}>
          Register runner
        </Button>
      </div>
      <CursorTable
        label="runners"
        list={runnerList}
        empty="No runners yet. Register one, then start it on its machine."
        rowKey={({ id }) => id}
        columns={[
          { name: "Runner", renderCell: (runner) => <RunnerName runner={runner} /> },
          {
            name: "Status",
            renderCell: ({ status, paused }) => (
              <span className="inline-flex flex-wrap gap-1">
                <Badge tone={states[status].tone}>{states[status].label}</Badge>
                {paused && status === "offline" && (
                  <Badge tone={states.paused.tone}>{states.paused.label}</Badge>
                )}
              </span>
            ),
          },
          {
            name: "Runs",
            isNumber: true,
            renderCell: ({ running, slots }) =>
              slots === 0 ? "–" : `${formatNumber(running)} of ${formatNumber(slots)}`,
          },
          {
            name: "Labels",
            renderCell: ({ kind, labels }) =>
              kind === "cluster" ? (
                "–"
              ) : labels.length === 0 ? (
                "None"
              ) : (
                <PlainText value={labels.join(", ")} />
              ),
          },
          {
            name: "Organization",
            renderCell: ({ organization_id: id }) => <OrganizationName id={id} />,
          },
          { name: "Version", renderCell: ({ version }) => version ?? "–" },
          {
            name: "Last seen",
            renderCell: ({ last_seen_at }) =>
              last_seen_at === null ? "Never" : <RelativeTime value={last_seen_at} />,
          },
          { name: "Actions", renderCell: (runner) => <RunnerActions runner={runner} /> },
        ]}
      />
      {shown?.dialog === "register" && (
        <RegisterRunnerDialog
          onClose={close}
          onRegistered={(name, token) => setShown({ dialog: "token", name, token })}
        />
      )}
      {shown?.dialog === "token" && (
        <RunnerTokenDialog name={shown.name} token={shown.token} onClose={close} />
      )}
    </div>
  );
}

function RunnerName({ runner: { name, kind, host } }: { runner: Runner }): ReactElement {
  return (
    <>
      <PlainText value={name} className="font-medium [overflow-wrap:anywhere]" />
      {kind === "cluster" && (
        <span className="block text-[13px] text-muted">Kubernetes cluster</span>
      )}
      {host !== null && (
        <span className="block text-[13px] text-muted">
          <PlainText value={host} />
        </span>
      )}
    </>
  );
}

function OrganizationName({ id }: { id: string | null }): ReactElement {
  const { data } = useQuery({ ...organizationChoicesQuery, enabled: id !== null });
  if (id === null) return <>All</>;
  return <PlainText value={data?.find((runner) => runner.id === id)?.name ?? id.slice(-8)} />;
}
