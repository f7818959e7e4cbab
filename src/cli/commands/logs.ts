/** `omoi logs`, `omoi events`: output as text, live. */
import { type Command, Option } from "commander";
import type { Run } from "#shared/api/execution/runs.js";
import { ApiError, urlOf } from "#shared/contract/call.js";
import { connect, type Connection } from "../connection/connect.js";
import { eventsOf } from "../connection/event-stream.js";
import { send, textOf } from "../connection/http.js";
import { organizationOf, valueOf } from "../connection/names.js";
import { describedCall } from "../contract/calls.js";
import { exitCodes, FailedError, UsageError } from "../output/failures.js";
import { whenInterrupted } from "../output/interrupt.js";
import { note, writeLine } from "../output/print.js";
import { hasColors, styled } from "../output/style.js";
import { plain } from "../output/values.js";
import { addCommon, type CommonOptions } from "./common-options.js";
import { showSession } from "./sessions.js";

interface LogsOptions extends CommonOptions {
  follow?: boolean;
  tail?: string;
  times?: boolean;
  stream?: "stdout" | "stderr";
  exitStatus?: boolean;
  session?: boolean;
  raw?: boolean;
}

export function addLogs(program: Command): void {
  addCommon(
    program
      .command("logs")
      .description("Show the output of a run, or of the current or last run of an agent")
      .argument("<RUN>", "the id of a run, or the name of an agent")
      .option("-f, --follow", "go on until the run ends")
      .option("--tail <N>", "only the last lines")
      .option("--times", "with the time of each line")
      .addOption(
        new Option("--stream <STREAM>", "only one of the two").choices(["stdout", "stderr"]),
      )
      .option("--raw", "the lines of JSON of a preset's program as it printed them")
      .option("--exit-status", "with --follow: fail if the run fails, with its command's exit code")
      .option("--session", "the transcript of a session, or of an agent's newest one"),
  )
    .addHelpText(
      "after",
      `
Examples:
  omoi logs worker-1 -f
  omoi logs worker-1 --tail 100 --stream stderr
  omoi logs worker-1 --session -f`,
    )
    .action(async (name: string, options: LogsOptions) => {
      const connection = connect(options);
      if (options.session === true) return showSession(connection, name, options);
      const run_id = await valueOf(connection, "run_id", name);
      if (options.follow === true) {
        const run = await followRun(connection, run_id, options);
        if (options.exitStatus === true) requireSuccess(run);
        return;
      }
      await showLog(connection, run_id, options);
    });
  addCommon(
    program
      .command("events")
      .description("Show what changes in the organization, or of one task, as it happens")
      .option("--task <task>", "only what concerns a task and its attempts"),
  ).action(async ({ task, ...options }: CommonOptions & { task?: string }) => {
    const connection = connect(options);
    const path =
      task === undefined
        ? urlOf(describedCall("events.stream"), {
            params: { org_id: await organizationOf(connection) },
          })
        : urlOf(describedCall("tasks.events"), {
            params: { task_id: await valueOf(connection, "task_id", task) },
          });
    for await (const { name, data } of eventsOf(connection, path)) {
      if (options.json === true) writeLine(JSON.stringify({ event: name, ...(data as object) }));
      else {
        const { type, id } = data as { type?: string; id?: string | null };
        writeLine(`${new Date().toISOString()}  ${type ?? name}  ${id ?? ""}`.trimEnd());
      }
    }
  });
}

async function showLog(
  connection: Connection,
  run_id: string,
  options: LogsOptions,
): Promise<void> {
  const { tail, times, stream, raw } = options;
  const path = urlOf(describedCall("runs.logs"), {
    params: { run_id },
    query: { tail, times, stream, raw },
  });
  const response = await send(connection, path, {
    method: "GET",
    headers: { accept: "text/plain" },
  });
  const { statusCode = 0 } = response;
  if (statusCode !== 200) {
    throw new ApiError(
      JSON.parse(await textOf(response)) as ConstructorParameters<typeof ApiError>[0],
    );
  }
  const text = await textOf(response);
  for (const line of text.split("\n").slice(0, text.endsWith("\n") ? -1 : undefined)) {
    writeLine(shownLine(line));
  }
}

interface LogLine {
  stream: "stdout" | "stderr" | "system";
  at: string;
  text: string;
}

/** Shows a run's output until it ends. Returns the ended run. */
export async function followRun(
  connection: Connection,
  run_id: string,
  { json, times, stream, tail, raw }: LogsOptions,
): Promise<Run> {
  if (tail !== undefined)
    throw new UsageError("--tail shows the end of a log; it takes no --follow.");
  const path = urlOf(describedCall("runs.logs"), { params: { run_id }, query: { raw } });
  whenInterrupted(
    `The run continues. Stop it with: omoi run stop ${run_id}\nFollow it again with: omoi logs ${run_id} --follow`,
  );
  for await (const { name, data } of eventsOf(connection, path)) {
    if (name === "end") {
      const run = data as Run;
      whenInterrupted(null);
      note(describeEnd(run));
      return run;
    }
    if (name !== "log") continue;
    const line = data as LogLine;
    if (stream !== undefined && line.stream !== stream) continue;
    if (json === true) {
      writeLine(JSON.stringify(line));
      continue;
    }
    const text = shownLine(line.text.replace(/\n$/, ""));
    const shown = line.stream === "system" ? styled("dim", text) : text;
    writeLine(times === true ? `${styled("dim", line.at)} ${shown}` : shown);
  }
  throw new FailedError("The stream ended before the run.");
}

function describeEnd({ status, exit_code, detail }: Run): string {
  const code = exit_code === null ? "" : ` with exit code ${exit_code}`;
  return `The run ${status.replaceAll("_", " ")}${status === "failed" ? code : ""}.${detail === null ? "" : ` ${plain(detail)}`}`;
}

/** @throws FailedError if a run did not succeed, with the exit code of its command if it has one */
export function requireSuccess(run: Run): void {
  if (run.status === "succeeded") return;
  const isOwn = run.status === "failed" && run.exit_code !== null && run.exit_code > 0;
  throw new FailedError(
    process.stderr.isTTY ? "" : describeEnd(run),
    isOwn ? (run.exit_code as number) : exitCodes.failed,
  );
}

/** Colors of programs are kept; other sequences could steer the terminal. */
// eslint-disable-next-line no-control-regex -- matches escape sequences on purpose
const colors = /(\u001B\[[\d;]*m)/;

function shownLine(line: string): string {
  if (!process.stdout.isTTY) return line;
  return line
    .split(colors)
    .map((part, at) => (at % 2 === 0 ? plain(part, "field") : hasColors() ? part : ""))
    .join("");
}
