import { Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { Run } from "#shared/api/execution/runs.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { paths } from "../../../paths/paths.js";
import { CopyLine } from "../../../ui/feedback/copy-button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { useAnnounceChange } from "../../../ui/feedback/toast.js";
import { Card, Details, type Rows } from "../../../ui/layout/card.js";
import { PlainText, visibleLines } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { LogView } from "../parts/logs/log-view.js";
import { costText, tokensText } from "../../organization/parts/usage/model-figures.js";
import { lineOf } from "../../../components/command/command-line.js";
import { formatBinaryBytes, formatDuration } from "../parts/runs/format.js";
import { RunConnections } from "./run-connections.js";
import { RunDuration } from "../parts/runs/run-duration.js";
import { statusName } from "../parts/runs/run-status.js";
import { ScriptText } from "../../../ui/text/script-text.js";

interface RunContentProps {
  run: Run;
  /** When the run was received, by this machine's clock; milliseconds. */
  readAt: number;
}

/** The details, connections and log of a run of an agent, or of a build of an environment. */
export function RunContent({ run, readAt }: RunContentProps): ReactElement {
  useAnnounceChange(run.id, run.status, stateAnnouncement(run));
  return (
    <>
      <RunDetails run={run} readAt={readAt} />
      {run.network === "restricted" && <RunConnections run={run} />}
      {run.kind !== "leased" && <LogView key={run.id} run={run} />}
    </>
  );
}

/** Returns the screen reader announcement of a run that starts or ends. */
function stateAnnouncement({ kind, status, ended_at }: Run): string {
  const name = statusName(status).toLowerCase();
  const noun = kind === "build" ? "build" : "run";
  return ended_at === null ? `The ${noun} is ${name}` : `The ${noun} ended: ${name}`;
}

function RunDetails({ run, readAt }: RunContentProps): ReactElement {
  const { command, checkpoint, limits, repository } = run;
  return (
    <Card
      title={
        run.kind === "build"
          ? "Build details"
          : run.kind === "review"
            ? "Second opinion"
            : "Run details"
      }
    >
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
        {command !== null && run.kind === "build" && (
          <div className="flex flex-col gap-1">
            <span className="text-muted">Setup script:</span>
            <ScriptText label="Setup script" text={command.at(-1) ?? ""} />
          </div>
        )}
        {command !== null && run.kind !== "build" && run.prompt === null && (
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
            ...(run.kind !== "build" && {
              "Started by":
                run.started_by === null ? "Unknown" : <PlainText value={run.started_by.name} />,
            }),
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
            ...(run.runner_labels !== null && {
              Runner: runnerOf(run),
              ...(run.runner_labels.length > 0 && {
                "Runner labels": <PlainText value={run.runner_labels.join(", ")} />,
              }),
            }),
            "Exit code": run.exit_code ?? "None",
            ...(run.kind === "leased" ? { Kind: "Leased, elsewhere" } : sandboxedRows(run, limits)),
          }}
        />
      </div>
    </Card>
  );
}

function runnerOf({ runner, started_at, ended_at }: Run): ReactNode {
  if (runner !== null) return <PlainText value={runner.name} />;
  if (started_at !== null) return "Removed since";
  return ended_at === null ? "Not yet" : "None";
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

function sandboxedRows(run: Run, limits: Run["limits"]): Rows {
  const { agent_id, checkpoint, repository } = run;
  const of = limits === null ? "" : ` of ${formatBinaryBytes(limits.memory_bytes)}`;
  return {
    ...(agent_id !== null &&
      run.kind === "managed" && {
        Checkpoint: checkpoint?.commit_sha ? (
          <Link
            {...paths.commit(agent_id, checkpoint.commit_sha)}
            className="font-mono text-[13px] text-accent-ink hover:underline"
          >
            {checkpoint.commit_sha.slice(0, 12)}
          </Link>
        ) : (
          "None"
        ),
      }),
    ...(run.preset !== null && { Program: presetTitles[run.preset] }),
    ...(run.prompt !== null && { Model: run.model ?? "Default" }),
    ...(repository !== null && repository.commits > 0 ? { Commits: repository.commits } : {}),
    Network: networkOf(run),
    ...(run.model_usage !== null && {
      "Model tokens": tokensText(run.model_usage),
      "Model cost":
        run.model_usage.cost_usd === null
          ? "Unknown, because a model has no price"
          : costText(run.model_usage.cost_usd),
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
    Variables:
      run.env_names.length === 0 ? (
        "None"
      ) : (
        <code className="font-mono text-[13px]">{run.env_names.join(", ")}</code>
      ),
  };
}
