/** `omoi agent start` and `omoi agent stop`. */
import { type Command, Option } from "commander";
import { connect, type Connection } from "../connection/connect.js";
import { findAgent } from "../connection/names.js";
import { exitCodes, FailedError, UsageError } from "../output/failures.js";
import { note, printItem } from "../output/print.js";
import { addCommon, type CommonOptions } from "./common-options.js";
import { followRun, requireSuccess } from "./logs.js";

interface StartOptions extends CommonOptions {
  preset?: string;
  prompt?: string;
  model?: string;
  network?: "none" | "restricted" | "full";
  allowedHosts?: string[];
  timeoutSeconds?: string;
  env?: string[];
  runnerLabels?: string[];
  queue?: boolean;
  follow?: boolean;
}

/** `omoi agent start` and `omoi agent stop`. */
export function addAgentWork(group: Command): void {
  addCommon(
    group
      .command("start")
      .description("Start an agent: a preset with a prompt, or a command")
      .argument("<AGENT>", "its name or id")
      .argument("[COMMAND...]", "a command instead of a preset, after --")
      .option(
        "--preset <PRESET>",
        "claude-code, codex, gemini or opencode; by default the first that is available",
      )
      .option("--prompt <TEXT>", "what it shall do; by default its task")
      .option("--model <MODEL>", "the model of the preset")
      .addOption(new Option("--network <NETWORK>").choices(["none", "restricted", "full"]))
      .option("--allowed-hosts <HOST>", "a host that restricted allows; may be repeated", collected)
      .option("--timeout-seconds <N>", "the time limit")
      .option("--env <NAME=VALUE>", "a variable; may be repeated", collected)
      .option(
        "--runner-labels <LABEL>",
        "a label that the runner of a remote workspace must have; may be repeated",
        collected,
      )
      .option("--queue", "wait for a free place instead of failing")
      .option(
        "-f, --follow",
        "show its output until it ends, and end with its command's exit code",
      ),
  )
    .addHelpText(
      "after",
      `
Examples:
  omoi agent start worker-1 --prompt 'Add a login page' -f
  omoi agent start worker-1 -- npm test`,
    )
    .action(startAgent);
  addCommon(
    group
      .command("stop")
      .description("Stop the current run of an agent")
      .argument("<AGENT>", "its name or id"),
  ).action(async (name: string, options: CommonOptions) => {
    const connection = connect(options);
    const agent = await findAgent(connection, name);
    const run = agent.current_run ?? agent.queued_run;
    if (!run) throw new FailedError(`${agent.name} has no run in progress.`, exitCodes.conflict);
    const { data } = await connection.api.runs.stop({ params: { run_id: run.id } });
    printItem(data, options);
  });
}

const collected = (value: string, before: string[] = []): string[] => [...before, value];

async function startAgent(name: string, command: string[], options: StartOptions): Promise<void> {
  const connection = connect(options);
  const { api } = connection;
  const { id: agent_id } = await findAgent(connection, name);
  const { prompt, model, network, allowedHosts, timeoutSeconds, runnerLabels, queue } = options;
  const env = Object.fromEntries(
    (options.env ?? []).map((given) => {
      const at = given.indexOf("=");
      if (at < 1) throw new UsageError(`--env takes NAME=VALUE, not ${given}.`);
      return [given.slice(0, at), given.slice(at + 1)];
    }),
  );
  const shared = {
    ...(network !== undefined && { network }),
    ...(allowedHosts !== undefined && { allowed_hosts: allowedHosts }),
    ...(timeoutSeconds !== undefined && { timeout_seconds: Number(timeoutSeconds) }),
    ...(options.env !== undefined && { env }),
    ...(runnerLabels !== undefined && { runner_labels: runnerLabels }),
    ...(queue !== undefined && { queue }),
  };
  const body =
    command.length > 0
      ? { command, ...shared }
      : {
          preset: options.preset ?? (await firstPreset(connection)),
          ...(prompt !== undefined && { prompt }),
          ...(model !== undefined && { model }),
          ...shared,
        };
  if (command.length > 0 && (prompt ?? options.preset ?? model) !== undefined) {
    throw new UsageError("A command takes no --preset, --prompt or --model.");
  }
  const { data: run } = await api.runs.create({ params: { agent_id }, body: body as never });
  if (options.follow !== true) return printItem(run, options);
  note(`Run ${run.id}`);
  requireSuccess(await followRun(connection, run.id, options));
}

async function firstPreset({ api }: Connection): Promise<string> {
  const { data } = await api.presets.list();
  const found = data.find(({ available, name }) => available && name !== "custom");
  if (found) return found.name;
  throw new FailedError(
    "No preset is available on the server; omoi installation presets says why. A command after -- always works.",
  );
}
