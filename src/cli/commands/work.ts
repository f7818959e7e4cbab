/** What a team lead does every day: start agents, see what they do, compare and merge their work. */
import { setTimeout as pause } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { Diff } from "#shared/api/projects/commits.js";
import type { Merge } from "#shared/api/projects/merges.js";
import type { AgentWork } from "#shared/api/organizations/overview.js";
import { ApiError, urlOf } from "#shared/contract/call.js";
import { connect, type Connection } from "../connection/connect.js";
import { send, textOf } from "../connection/http.js";
import { findAgent, findProject, organizationIdOf, organizationOf } from "../connection/names.js";
import { allRows } from "../connection/pages.js";
import { describedCall } from "../contract/calls.js";
import { exitCodes, FailedError, UsageError } from "../output/failures.js";
import { warn, note, printItem, printJson, printRows, writeLine } from "../output/print.js";
import { hasColors, styled } from "../output/style.js";
import { table } from "../output/table.js";
import { plain, shownSeconds, shownValue } from "../output/values.js";
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
      .option("--queue", "wait for a free place instead of failing")
      .option("-f, --follow", "show its output until it ends, and fail if it fails"),
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
  const { prompt, model, network, allowedHosts, timeoutSeconds, queue } = options;
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

interface DiffOptions extends CommonOptions {
  commit?: string;
  stat?: boolean;
}

interface MergeOptions extends CommonOptions {
  into?: string;
  strategy?: string;
  message?: string;
  preview?: boolean;
  queue?: boolean;
}

/** `omoi diff`, `conflicts` and `top`. */
export function addWork(program: Command): void {
  addCommon(
    program
      .command("diff")
      .description("Show what an agent has changed against its base branch")
      .argument("<AGENT>", "its name or id")
      .option("--commit <SHA>", "of one commit of its workspace")
      .option("--stat", "only how much of each file"),
  ).action(showDiff);
  addCommon(
    program
      .command("conflicts")
      .description("Show which workspaces would conflict, before anyone merges")
      .argument("[PROJECT]", "by default all projects of the organization"),
  ).action(showConflicts);
  addCommon(
    program
      .command("top")
      .description("Watch the agents of the organization at work")
      .option("--project <PROJECT>", "only those of a project")
      .option("--once", "print once; always so without a terminal"),
  ).action(top);
}

async function showDiff(name: string, options: DiffOptions): Promise<void> {
  const connection = connect(options);
  const { id: agent_id } = await findAgent(connection, name);
  if (options.commit !== undefined) {
    const where = urlOf(describedCall("workspaces.diff"), {
      params: { agent_id, sha: options.commit },
    });
    const accept =
      options.json === true || options.stat === true ? "application/json" : "text/x-diff";
    const response = await send(connection, where, { method: "GET", headers: { accept } });
    const text = await textOf(response);
    if (response.statusCode !== 200) {
      throw new ApiError(JSON.parse(text) as ConstructorParameters<typeof ApiError>[0]);
    }
    if (accept === "text/x-diff") return printPatch(text);
    return printDiff(JSON.parse(text) as Diff, options);
  }
  const { data } = await connection.api.workspaces.changes({ params: { agent_id } });
  const diff = ("diff" in data ? data.diff : data) as Diff;
  printDiff(diff, options);
}

function printDiff(diff: Diff, { json, stat, quiet }: DiffOptions): void {
  if (json === true) return printJson(diff);
  if (quiet === true) return diff.files.forEach(({ path }) => writeLine(path));
  if (stat === true) {
    printRows(
      diff.files.map(({ path, status, additions, deletions }) => ({
        path,
        status,
        "+": additions,
        "-": deletions,
      })),
      ["path", "status", "+", "-"],
      {},
    );
    return;
  }
  for (const { path, patch, truncated } of diff.files) {
    printPatch(patch ?? `Binary file ${path}\n`);
    if (truncated)
      warn(
        `The patch of ${plain(path)} is cut because of its size; git diff in a clone has all of it.`,
      );
  }
}

function printPatch(patch: string): void {
  for (const line of patch.replace(/\n$/, "").split("\n")) {
    if (!process.stdout.isTTY && !hasColors()) writeLine(line);
    else {
      const text = plain(line, "field");
      const style = /^(diff|index|---|\+\+\+)/.test(line)
        ? "bold"
        : line.startsWith("@@")
          ? "cyan"
          : line.startsWith("+")
            ? "green"
            : line.startsWith("-")
              ? "red"
              : null;
      writeLine(style === null ? text : styled(style, text));
    }
  }
}

async function showConflicts(name: string | undefined, options: CommonOptions): Promise<void> {
  const connection = connect(options);
  const { api } = connection;
  const projects =
    name === undefined
      ? await allRows(async (query) =>
          api.projects.list({
            query: { ...query, organization_id: await organizationIdOf(connection) },
          }),
        )
      : [await findProject(connection, name)];
  const found = await Promise.all(
    projects
      .filter(({ status }) => status === "ready")
      .map(async ({ id: project_id, slug }) => {
        const { data } = await api.radar.project({ params: { project_id } });
        return data.pairs.map((pair) => ({
          project: slug,
          one: pair.one.agent_name ?? pair.one.branch_name,
          other: pair.other.agent_name ?? pair.other.branch_name,
          conflicts: pair.total_conflicts,
          files: pair.conflicts.flatMap(({ paths }) => paths),
        }));
      }),
  );
  const rows = found.flat();
  if (rows.length === 0 && options.json !== true) return note("No conflicts are ahead.");
  printRows(rows, ["project", "one", "other", "conflicts", "files"], options);
}

/** `omoi merge AGENT`, beside the commands about merges. */
export function addMerge(group: Command): void {
  addCommon(
    group
      .argument("[AGENT]", "the agent whose work is merged")
      .option("--into <BRANCH>", "the target; by default the base branch")
      .option("--strategy <STRATEGY>", "how conflicts are decided; by default the workspace's")
      .option("-m, --message <TEXT>", "the message of the merge; by default the agent's task")
      .option("--preview", "only show what would happen")
      .option("--queue", "put it into the merge queue"),
  )
    .addHelpText(
      "after",
      `
Examples:
  omoi merge worker-1 --preview
  omoi merge worker-1 -m 'Add the login page'
  omoi merge worker-1 --queue`,
    )
    .action(merge);
}

async function merge(name: string | undefined, options: MergeOptions): Promise<void> {
  if (name === undefined) throw new UsageError("Name the agent: omoi merge AGENT.");
  const connection = connect(options);
  const { api } = connection;
  const { id: agent_id } = await findAgent(connection, name);
  const { into, strategy, message } = options;
  const wanted = {
    ...(into !== undefined && { target_branch: into }),
    ...(strategy !== undefined && { strategy: strategy as never }),
  };
  const params = { agent_id };
  if (options.preview === true) {
    const { data } = await api.workspaces.previewMerge({ params, body: wanted });
    return printMerge(data, options, "would be");
  }
  const body = { ...wanted, ...(message !== undefined && { message }) };
  if (options.queue === true) {
    const { data } = await api.workspaces.createMerge({ params, body: { ...body, queue: true } });
    return printItem(data, options);
  }
  const { data } = await api.workspaces.createMerge({ params, body });
  printMerge(data, options, "were");
}

function printMerge(done: Merge, options: MergeOptions, verb: string): void {
  if (options.json === true || options.quiet === true) return printItem({ ...done }, options);
  const { source_branch, target_branch, status, resolutions, merge_commit_sha } = done;
  const between = `${plain(source_branch)} into ${plain(target_branch)}`;
  if (status === "up_to_date") return writeLine(`Nothing of ${between} is missing.`);
  const commit = merge_commit_sha === null ? "" : ` as ${merge_commit_sha.slice(0, 12)}`;
  writeLine(merge_commit_sha === null ? `A merge of ${between}:` : `Merged ${between}${commit}.`);
  if (resolutions.length === 0) return writeLine("No conflicts.");
  writeLine(`${resolutions.length} conflicts ${verb} decided:`);
  printRows(
    resolutions.map(({ paths, kind, winner, rule }) => ({ files: paths, kind, winner, rule })),
    ["files", "kind", "winner", "rule"],
    {},
  );
}

const REFRESH_MS = 2000;

async function top(options: CommonOptions & { project?: string; once?: boolean }): Promise<void> {
  const connection = connect(options);
  const org_id = await organizationOf(connection);
  const project_id =
    options.project === undefined ? undefined : (await findProject(connection, options.project)).id;
  const read = (): Promise<AgentWork[]> =>
    allRows((page) =>
      connection.api.overview.work({
        params: { org_id },
        query: { ...page, ...(project_id !== undefined && { project_id }) },
      }),
    );
  if (options.json === true) return printJson(await read());
  if (options.once === true || !process.stdout.isTTY || !process.stdin.isTTY)
    return writeLine(tableOf(await read()));
  const screen = new AbortController();
  const restore = (): void => void process.stdout.write("\u001B[?25h\u001B[?1049l");
  process.once("exit", restore);
  process.stdout.write("\u001B[?1049h\u001B[?25l");
  process.stdin.setRawMode(true).resume();
  process.stdin.on("end", () => screen.abort());
  process.stdin.on("data", (key: Buffer) => {
    // Keys that come together with others count, too; an arrow key begins with an escape.
    if (/q|\u0003/.test(key.toString()) || key.toString() === "\u001B") screen.abort();
  });
  let problem = "";
  while (!screen.signal.aborted) {
    let rows: AgentWork[] | null = null;
    try {
      rows = await read();
      problem = "";
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) {
        process.off("exit", restore);
        restore();
        throw error;
      }
      problem = (error as Error).message;
    }
    const lines = rows === null ? [styled("red", problem)] : tableOf(rows).split("\n");
    const working = rows?.filter(({ state }) => state === "working").length ?? 0;
    const head = `${styled("bold", org_id)}  ${working} working, ${rows?.filter(({ state }) => state === "needs_you").length ?? 0} need you  ${styled("dim", "q quits")}`;
    const shown = [head, "", ...lines].slice(0, Math.max(4, (process.stdout.rows || 24) - 1));
    process.stdout.write(`\u001B[H${shown.map((line) => `${line}\u001B[K`).join("\r\n")}\u001B[J`);
    await pause(REFRESH_MS, undefined, { signal: screen.signal }).catch(() => undefined);
  }
  process.stdin.setRawMode(false).pause();
}

const places = ["needs_you", "working", "ready", "idle"];

function tableOf(rows: readonly AgentWork[]): string {
  const sorted = rows.toSorted(
    (one, other) =>
      places.indexOf(one.state) - places.indexOf(other.state) ||
      one.agent_name.localeCompare(other.agent_name),
  );
  return table(
    ["Agent", "Project", "State", "For", "Unmerged", "+/-", "Conflicts", "Cost", "Last line"],
    sorted.map((work) => {
      const { current, additions, deletions, cost_usd } = work;
      const seconds =
        current?.started_at == null ? null : (Date.now() - Date.parse(current.started_at)) / 1000;
      return [
        plain(work.agent_name),
        plain(work.project_name),
        shownValue("state", work.state, "cell"),
        seconds === null ? "-" : shownSeconds(seconds),
        String(work.unmerged_commits ?? "-"),
        additions === null ? "-" : `+${additions} -${deletions}`,
        String(work.conflicts),
        `$${cost_usd.toFixed(2)}`,
        plain(work.last_line ?? work.task_title ?? ""),
      ];
    }),
  );
}
