import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { Run } from "#shared/api/agents/runs.js";
import { presetTitles } from "#shared/preset-names.js";
import { useLoaded } from "../../api/use-loaded.js";
import { paths } from "../../paths/paths.js";
import { Alert } from "../../ui/feedback/alert.js";
import { Card, Details, type Rows } from "../../ui/layout/card.js";
import { CopyLine } from "../../ui/actions/copy-button.js";
import { Page } from "../../ui/layout/page.js";
import { PlainText, visibleLines } from "../../ui/text/plain-text.js";
import { Time } from "../../ui/text/time.js";
import { useAnnounceChange } from "../../ui/feedback/toast.js";
import { agentQuery } from "../../api/queries/agents.js";
import { useDenyReason } from "../../access/permissions.js";
import { CrumbLink } from "../../components/crumb-link.js";
import { useWorkspaceCrumbs } from "../../components/workspaces/crumbs.js";
import { lineOf } from "../../components/runs/command-line.js";
import { formatBinaryBytes, formatDuration } from "../../components/runs/format.js";
import { LogView } from "../../components/logs/log-view.js";
import { runQuery, sandboxQuery } from "../../api/queries/runs.js";
import { isolationOf } from "../../components/runs/isolation.js";
import { RunAgain } from "../../components/runs/run-again.js";
import { RunConnections } from "../../components/runs/run-connections.js";
import { RunDuration } from "../../components/runs/run-duration.js";
import { RunStatus, statusName } from "../../components/runs/run-status.js";
import { startDisabledReason } from "../../components/runs/start-reason.js";
import { costText, tokensText } from "../../components/usage/model-figures.js";
import { StopRunButton } from "../../components/runs/stop-run-button.js";

const route = getRouteApi("/app/agents/$agentId/runs/$runId");

export function RunPage(): ReactElement {
  const { agentId, runId } = route.useParams();
  const { data: run, dataUpdatedAt } = useLoaded(runQuery(runId));
  const { data: agent } = useQuery(agentQuery(agentId));
  const { data: sandbox } = useQuery(sandboxQuery);
  const refusal = useDenyReason(agent?.organization_id);
  useAnnounceChange(runId, run.status, stateAnnouncement(run));
  const crumbs: ReactNode[] = [
    ...useWorkspaceCrumbs(agentId),
    <CrumbLink key="agent" {...paths.agent(agentId)}>
      {agent ? <PlainText value={agent.name} /> : "Agent"}
    </CrumbLink>,
  ];
  return (
    <Page
      title={`Run ${runId.slice(-8)}`}
      crumbs={crumbs}
      description={<RunStatus run={run} />}
      actions={
        run.ended_at === null ? (
          <StopRunButton run={run} disabledReason={refusal("agent:run")} />
        ) : (
          agent &&
          run.kind === "managed" && (
            <RunAgain
              key={run.id}
              agent={agent}
              run={run}
              disabledReason={startDisabledReason(
                agent,
                refusal("agent:run"),
                sandbox && isolationOf(sandbox, agent.workspace_type),
              )}
            />
          )
        )
      }
    >
      <RunDetails run={run} readAt={dataUpdatedAt} />
      {run.network === "restricted" && <RunConnections run={run} />}
      {run.kind !== "leased" && <LogView key={run.id} run={run} />}
    </Page>
  );
}

/** Returns the screen reader announcement of a run that starts or ends. */
function stateAnnouncement({ status, ended_at }: Run): string {
  const name = statusName(status).toLowerCase();
  return ended_at === null ? `The run is ${name}` : `The run ended: ${name}`;
}

function RunDetails({ run, readAt }: { run: Run; readAt: number }): ReactElement {
  const { command, checkpoint, limits, repository } = run;
  return (
    <Card title="Run details">
      <div className="flex flex-col gap-4">
        {run.detail !== null && (
          <Alert tone={run.status === "failed" ? "bad" : "info"}>
            <PlainText value={run.detail} multiline />
          </Alert>
        )}
        {run.result !== null && (
          <section aria-label="Result" className="flex flex-col gap-1">
            <span className="text-muted">Result:</span>
            <div className="max-h-96 overflow-y-auto rounded-md bg-sunken px-3 py-2 [overflow-wrap:anywhere]">
              <PlainText value={run.result} multiline />
            </div>
          </section>
        )}
        {run.prompt !== null && (
          <section aria-label="Prompt" className="flex flex-col gap-1">
            <span className="text-muted">Prompt:</span>
            <div className="max-h-60 overflow-y-auto [overflow-wrap:anywhere]">
              <PlainText value={run.prompt} multiline />
            </div>
          </section>
        )}
        {command !== null && run.prompt === null && (
          <div className="flex flex-col gap-1">
            <span className="text-muted">Command:</span>
            <CopyLine text={visibleLines(lineOf(command))} label="Copy command" />
          </div>
        )}
        {repository?.error && (
          <Alert tone="warn">
            <PlainText value={repository.error} />
          </Alert>
        )}
        {repository !== null && repository.diverged_branches.length > 0 && (
          <Alert tone="warn">
            Some commits of the run do not follow the workspace&apos;s branch. They are kept in{" "}
            <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
              {repository.diverged_branches.join(", ")}
            </code>
            .
          </Alert>
        )}
        {checkpoint?.error && (
          <Alert tone="warn">
            The workspace was not saved at the end of the run:{" "}
            <PlainText value={checkpoint.error} />
          </Alert>
        )}
        <Details
          columns={2}
          rows={{
            "Started by":
              run.started_by === null ? "Unknown" : <PlainText value={run.started_by.name} />,
            Created: <Time value={run.created_at} withSeconds />,
            Started:
              run.started_at === null ? "Not yet" : <Time value={run.started_at} withSeconds />,
            Ended: run.ended_at === null ? "Not yet" : <Time value={run.ended_at} withSeconds />,
            Duration:
              run.started_at === null ? (
                "None"
              ) : run.ended_at === null ? (
                <RunDuration seconds={run.runtime_seconds} readAt={readAt} />
              ) : (
                formatDuration(run.runtime_seconds)
              ),
            "Exit code": run.exit_code ?? "None",
            ...(run.kind === "managed" ? managedRows(run, limits) : { Kind: "Leased, elsewhere" }),
          }}
        />
      </div>
    </Card>
  );
}

/** Formats a figure that is measured at the end of a run, on some systems only. */
function measured(run: Run, figure: number | null, textOf: (figure: number) => string): string {
  if (figure !== null) return textOf(figure);
  return run.ended_at === null ? "Available when the run ends" : "Not measured";
}

function networkOf({ network, allowed_hosts }: Run): ReactNode {
  if (network !== "restricted") return network === "full" ? "Full" : "None";
  if (allowed_hosts === null || allowed_hosts.length === 0) return "Restricted to this server";
  return (
    <>
      Restricted to{" "}
      <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
        {allowed_hosts.join(", ")}
      </code>
    </>
  );
}

function managedRows(run: Run, limits: Run["limits"]): Rows {
  const { checkpoint, repository } = run;
  const of = limits === null ? "" : ` of ${formatBinaryBytes(limits.memory_bytes)}`;
  return {
    Checkpoint: checkpoint?.commit_sha ? (
      <Link
        {...paths.commit(run.agent_id, checkpoint.commit_sha)}
        className="font-mono text-[13px] text-accent-ink hover:underline"
      >
        {checkpoint.commit_sha.slice(0, 12)}
      </Link>
    ) : (
      "None"
    ),
    ...(run.preset !== null && { Program: presetTitles[run.preset] }),
    ...(run.prompt !== null && { Model: run.model ?? "Default" }),
    ...(repository !== null && repository.commits > 0 ? { Commits: repository.commits } : {}),
    Network: networkOf(run),
    ...(run.model_usage !== null && {
      "Model tokens": tokensText(run.model_usage),
      "Model cost": costText(run.model_usage.cost_usd),
    }),
    "Time limit": run.timeout_seconds === null ? "None" : formatDuration(run.timeout_seconds),
    "Peak memory": measured(run, run.peak_memory_bytes, (bytes) => formatBinaryBytes(bytes) + of),
    "CPU time": measured(run, run.cpu_seconds, formatDuration),
    ...(limits?.cpus == null ? {} : { "CPU limit": `${limits.cpus} cores` }),
    // Measured at the end.
    Output:
      run.ended_at === null
        ? "Available when the run ends"
        : formatBinaryBytes(run.output.bytes) + (run.output.truncated ? " (cut at its limit)" : ""),
    Environment:
      run.env_names.length === 0 ? (
        "None"
      ) : (
        <code className="font-mono text-[13px]">{run.env_names.join(", ")}</code>
      ),
  };
}
