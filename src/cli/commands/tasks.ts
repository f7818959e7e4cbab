/** `omoi task new`, and the commands of tasks that make several calls. */
import { setTimeout as pause } from "node:timers/promises";
import { text as readAll } from "node:stream/consumers";
import { type Command, Option } from "commander";
import type { Attempt, NewTask, Task } from "#shared/api/work/tasks.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { connect, type Connection } from "../connection/connect.js";
import {
  attemptOf,
  findProject,
  findTask,
  organizationIdOf,
  valueOf,
} from "../connection/names.js";
import { rowsOf } from "../connection/pages.js";
import { exitCodes, FailedError, NotFoundError, UsageError } from "../output/failures.js";
import { note, printItem, printJson, printRows, writeLine } from "../output/print.js";
import { plain } from "../output/values.js";
import { confirm } from "./ask.js";
import { numberOf } from "./call-values.js";
import { addCommon, addTaskProject, type CommonOptions } from "./common-options.js";
import { showSession } from "./sessions.js";
import { changesOf, durationOf, nameOf, printTask, programOf, rounded } from "./task-output.js";

interface TaskOptions extends CommonOptions {
  project?: string;
  attempt?: string;
}

/** The commands of tasks that are written by hand. */
export function addTaskWork(group: Command): void {
  addNew(group);
  const command = (name: string, description: string): Command =>
    addCommon(
      addTaskProject(
        group
          .command(name)
          .description(description)
          .argument("<TASK>", "its number, such as 12 or shop#12, or its id"),
      ),
    );
  command("logs", "Show the conversation with the agent of a task")
    .option("-f, --follow", "go on until the session is closed")
    .option("--attempt <NUMBER>", "which attempt; by default the chosen or only one")
    .addHelpText(
      "after",
      "\nExamples:\n  omoi task logs 12 -f\n  omoi task logs shop#12 --attempt 2",
    )
    .action(showLogs);
  command("prompt", "Send a prompt to the agent of a task: an answer, or a request for changes")
    .argument("<TEXT>", "the prompt; - reads standard input")
    .option("--attempt <NUMBER>", "which attempt; by default the chosen or only one")
    .addHelpText(
      "after",
      "\nExamples:\n  omoi task prompt 12 'Yes, refunds too'\n  omoi task prompt 12 - < review.md",
    )
    .action(sendPrompt);
  command("approve", "Approve the open merge request of a task")
    .option("--attempt <NUMBER>", "which attempt; by default the chosen or only one")
    .addHelpText("after", "\nExamples:\n  omoi task approve 12")
    .action(approve);
  command("cancel", "Cancel a task: stop its runs, archive its workspaces, terminate its agents")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", "\nExamples:\n  omoi task cancel 12")
    .action(cancel);
  command("compare", "Compare the attempts of a task: changes, cost, time, own files")
    .addHelpText("after", "\nExamples:\n  omoi task compare 12")
    .action(compare);
}

interface NewOptions extends TaskOptions {
  title?: string;
  preset?: PresetName;
  command?: string[];
  model?: string;
  network?: NewTask["network"];
  allowedHosts?: string[];
  attempts?: string;
  label?: string[];
  priority?: NewTask["priority"];
  owner?: string;
  assignee?: string[];
  dependsOn?: string[];
  start: boolean;
  follow?: boolean;
}

const collected = (value: string, before: string[] = []): string[] => [...before, value];

function addNew(group: Command): void {
  addCommon(
    group
      .command("new")
      .alias("create")
      .description("Create a task, and start an agent on it")
      .argument("<TEXT>", "what shall be done; - reads standard input")
      .option("--project <PROJECT>", "its project; by default the only one of the organization")
      .option("--title <TITLE>", "by default made from the first line of the text")
      .option(
        "--preset <PRESET>",
        "the program; by default the project's, or the only available one",
      )
      .option(
        "--command <WORD>",
        "a word of the command for --preset custom; may be repeated",
        collected,
      )
      .option("--model <MODEL>", "by default the project's, or the program's own")
      .addOption(
        new Option("--network <NETWORK>", "network of the program; restricted by default").choices([
          "none",
          "restricted",
          "full",
        ]),
      )
      .option("--allowed-hosts <HOST>", "a host that restricted allows; may be repeated", collected)
      .option("--attempts <N>", "attempts side by side, 1 to 8")
      .option("--label <LABEL>", "may be repeated", collected)
      .addOption(new Option("--priority <PRIORITY>").choices(["low", "normal", "high", "urgent"]))
      .option("--owner <USER>", "whom it is for; by default you")
      .option("--assignee <USER>", "who works on it; may be repeated", collected)
      .option(
        "--depends-on <TASK>",
        "a task that has to be done before; may be repeated",
        collected,
      )
      .option("--no-start", "create it only; omoi task retry starts it")
      .option("-f, --follow", "show the conversation until the agent is done or needs a person"),
  )
    .addHelpText(
      "after",
      `
Examples:
  omoi task new 'Invoices round half cents the wrong way' --project shop
  omoi task new 'Update the dependencies' --attempts 3 --label chore
  omoi task new - --preset codex --follow < issue.md`,
    )
    .action(createTask);
}

const textOf = (given: string): string | Promise<string> =>
  given === "-" ? readAll(process.stdin) : given;

async function createTask(given: string, options: NewOptions): Promise<void> {
  const { title, preset, command, model, network, allowedHosts, label, priority } = options;
  const { attempts, owner, assignee, dependsOn, follow, start } = options;
  if (!start && follow === true)
    throw new UsageError("--follow and --no-start exclude each other.");
  const connection = connect(options);
  const project = await projectOf(connection, options.project);
  connection.project = project.id;
  const depends_on: string[] = [];
  for (const name of dependsOn ?? []) depends_on.push((await findTask(connection, name)).id);
  const assignees: string[] = [];
  for (const name of assignee ?? []) assignees.push(await valueOf(connection, "assignees", name));
  const body: NewTask = {
    body: await textOf(given),
    start,
    ...(title !== undefined && { title }),
    ...(preset !== undefined && { preset }),
    ...(command !== undefined && { command }),
    ...(model !== undefined && { model }),
    ...(network !== undefined && { network }),
    ...(allowedHosts !== undefined && { allowed_hosts: allowedHosts }),
    ...(attempts !== undefined && { attempts: numberOf("attempts", attempts) }),
    ...(label !== undefined && { labels: label }),
    ...(priority !== undefined && { priority }),
    ...(owner !== undefined && { owner: await valueOf(connection, "owner", owner) }),
    ...(assignees.length > 0 && { assignees }),
    ...(depends_on.length > 0 && { depends_on }),
  };
  const params = { project_id: project.id };
  const { data: task } = await connection.api.tasks.create({ params, body });
  if (options.json === true || options.quiet === true) printItem({ ...task }, options);
  else {
    const name = `${project.slug}#${task.number}`;
    const next = start
      ? `Follow it with: omoi task logs ${name} -f`
      : `Start it with: omoi task retry ${name}`;
    writeLine(`#${task.number} ${plain(task.title)}\n${connection.url}/tasks/${task.id}`);
    if (follow !== true) writeLine(next);
  }
  if (follow === true) await followTask(connection, task, options);
}

/** @throws UsageError if there are several projects to choose from */
async function projectOf(
  connection: Connection,
  name: string | undefined,
): Promise<{ id: string; slug: string }> {
  if (name !== undefined) return findProject(connection, name);
  const organization_id = await organizationIdOf(connection);
  const rows = rowsOf(
    (page) => connection.api.projects.list({ query: { ...page, organization_id } }),
    2,
  );
  const { value: only } = await rows.next();
  if (!only)
    throw new NotFoundError("There is no project yet; omoi project create NAME makes one.");
  if ((await rows.next()).done !== true)
    throw new UsageError("Say which project: --project PROJECT.");
  return only;
}

const POLL_MS = 500;
/** Time in which the status of a task follows the end of a turn. */
const SETTLE_MS = 5000;

/** Shows the first attempt of a task until its turn ends. @throws FailedError if the attempt fails */
async function followTask(connection: Connection, task: Task, options: NewOptions): Promise<void> {
  const params = { task_id: task.id };
  const read = async (): Promise<Task> => (await connection.api.tasks.get({ params })).data;
  let current = task;
  const first = (): Attempt | undefined => current.attempts[0];
  const isBusy = (): boolean => ["starting", "working"].includes(first()?.status ?? "starting");
  const whenLeft = `The task continues. Stop it with: omoi task stop ${task.id}\nFollow it again with: omoi task logs ${task.id} -f`;
  while (first()?.session_id == null && isBusy()) {
    if (current.status === "waiting") {
      return note(`#${task.number} waits for the tasks that it depends on.`);
    }
    await pause(POLL_MS);
    current = await read();
  }
  const session_id = first()?.session_id;
  if (session_id != null) {
    const isLast = async ({ type }: { type: string }): Promise<boolean> => {
      if (type !== "turn_end") return false;
      const end = Date.now() + SETTLE_MS;
      do {
        await pause(POLL_MS);
        current = await read();
      } while (isBusy() && Date.now() < end);
      return !isBusy();
    };
    await showSession(connection, session_id, { ...options, follow: true, whenLeft, isLast });
    current = await read();
  }
  const attempt = first();
  const { attention } = current;
  if (attempt?.status === "failed") {
    throw new FailedError(`#${task.number} failed. ${attempt.detail ?? ""}`.trim());
  }
  const changes = attempt && changesOf(attempt);
  note(
    `#${task.number} ${current.status.replaceAll("_", " ")}${changes ? `: ${changes}` : ""}${attention ? `. ${plain(attention.summary)}` : ""}`,
  );
}

async function showLogs(name: string, options: TaskOptions & { follow?: boolean }): Promise<void> {
  const connection = connect(options);
  const task = await findTask(connection, name);
  const { session_id } = attemptOf(task, options.attempt);
  if (session_id === null) {
    throw new FailedError(`#${task.number} has no conversation yet.`, exitCodes.conflict);
  }
  await showSession(connection, session_id, {
    ...options,
    ...(options.follow === true && {
      whenLeft: `The task continues. Stop it with: omoi task stop ${task.id}`,
    }),
  });
}

async function sendPrompt(name: string, given: string, options: TaskOptions): Promise<void> {
  const connection = connect(options);
  const task = await findTask(connection, name);
  const { attempt } = options;
  const { data } = await connection.api.tasks.prompt({
    params: { task_id: task.id },
    body: {
      text: await textOf(given),
      ...(attempt !== undefined && { attempt_id: attemptOf(task, attempt).id }),
    },
  });
  printTask(data, options);
}

async function approve(name: string, options: TaskOptions): Promise<void> {
  const connection = connect(options);
  const task = await findTask(connection, name);
  const open =
    options.attempt === undefined
      ? task.attempts.filter(({ merge_request }) => merge_request !== null)
      : [attemptOf(task, options.attempt)];
  const attempt = open.length === 1 ? open[0] : attemptOf(task);
  const request = attempt?.merge_request;
  if (!request) {
    throw new FailedError(
      `#${task.number} has no open merge request; omoi task merge ${task.number} opens one.`,
      exitCodes.conflict,
    );
  }
  const { data } = await connection.api.mergeQueue.approve({
    params: { merge_request_id: request.id },
  });
  printItem(data, options);
}

async function cancel(name: string, options: TaskOptions & { yes?: boolean }): Promise<void> {
  const connection = connect(options);
  const task = await findTask(connection, name);
  const params = { task_id: task.id };
  const { tasks } = connection.api;
  if (options.yes !== true) {
    const { data: loss } = await tasks.delete({ params, query: { preview: "true" } });
    process.stderr.write(`${textOfLoss(loss)}\n`);
    await confirm(`Cancel #${task.number} ${plain(task.title)}.`, options);
  }
  const { data: lost } = await tasks.delete({ params, query: {} });
  if (options.json === true) return printJson(lost);
  if (options.quiet === true) return writeLine(lost.id);
  writeLine(`#${task.number} is canceled.`);
  const kept = lost.unmerged.map(({ agent_name }) => plain(agent_name));
  if (kept.length > 0) writeLine(`Work that is not merged is archived: ${kept.join(", ")}.`);
}

type Loss = Awaited<ReturnType<Connection["api"]["tasks"]["delete"]>>["data"];

function textOfLoss({ agents, running, unmerged, child_tasks }: Loss): string {
  const lines = [
    ...(running > 0 ? [`Runs that stop: ${running}`] : []),
    ...(agents.length > 0
      ? [`Agents that are terminated: ${agents.map((agent) => plain(agent)).join(", ")}`]
      : []),
    ...unmerged.map(
      ({ agent_name, changes }) =>
        `Not merged, archived: ${plain(agent_name)}, ${changesOf({ changes }) ?? ""}`,
    ),
    ...(child_tasks > 0 ? [`Child tasks that stay: ${child_tasks}`] : []),
  ];
  return lines.length > 0 ? lines.join("\n") : "Nothing is lost.";
}

async function compare(name: string, options: TaskOptions): Promise<void> {
  const connection = connect(options);
  const task = await findTask(connection, name);
  const { data } = await connection.api.tasks.compare({ params: { task_id: task.id } });
  if (options.json === true) return printJson(data);
  printRows(
    data.attempts.map((attempt) => ({
      id: attempt.id,
      attempt: nameOf(attempt, task),
      status: attempt.status,
      program: programOf(attempt),
      changes: changesOf(attempt),
      cost_usd: rounded(attempt.cost_usd),
      time: durationOf(attempt),
      only_here: attempt.paths_only_here,
    })),
    ["attempt", "status", "program", "changes", "cost_usd", "time", "only_here"],
    options,
  );
}
