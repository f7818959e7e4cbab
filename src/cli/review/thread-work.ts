/** Threads: conversations at lines, and their suggestions. */
import { type Command, Option } from "commander";
import type { Thread } from "#shared/api/work/threads.js";
import { addCommon, type CommonOptions } from "../commands/common-options.js";
import { connect } from "../connection/connect.js";
import { allRows } from "../connection/pages.js";
import { exitCodes, FailedError } from "../output/failures.js";
import { printItem, writeLine } from "../output/print.js";
import { counted, placeText, printThreads, short } from "./review-output.js";
import {
  addOfTask,
  open,
  type Opened,
  type ReviewOptions,
  textOf,
  withExamples,
} from "./reviewed-task.js";

export function addThreadWork(group: Command): void {
  withExamples(
    addOfTask(group, "threads", "Show the threads of a task: lines and conversation")
      .addOption(new Option("--open", "only open ones; this is the default").conflicts("all"))
      .option("--all", "resolved ones, too"),
    "review threads 12",
    "review threads 12 --all --json",
  ).action(listThreads);
  const about = "its id, as omoi review threads shows it";
  withExamples(
    addCommon(
      group
        .command("reply")
        .description("Reply in a thread: say what you changed, or why the line should stay")
        .argument("<THREAD>", about)
        .argument("<TEXT>", "the reply; - reads standard input"),
    ),
    "review reply THREAD 'Rounded at the end now'",
  ).action(reply);
  for (const [name, description] of [
    ["resolve", "Resolve threads"],
    ["reopen", "Open threads again"],
  ] as const) {
    withExamples(
      addCommon(group.command(name).description(description).argument("<THREAD...>", about)),
      `review ${name} THREAD`,
    ).action((threads: string[], options: CommonOptions) =>
      setResolved(threads, name === "resolve", options),
    );
  }
  withExamples(
    addOfTask(
      group,
      "apply",
      "Commit suggestions: those of the threads, or all open ones",
      false,
    ).argument("[THREAD...]", about),
    "review apply 12",
    "review apply 12 THREAD",
  ).action(apply);
}

/** Reads the threads of a task; `isOpen` leaves out resolved ones. */
const readThreads = ({ connection, task }: Opened, isOpen: boolean): Promise<Thread[]> =>
  allRows((page) =>
    connection.api.threads.list({
      params: { task_id: task.id },
      query: { ...page, ...(isOpen && { resolved: "false" }) },
    }),
  );

async function listThreads(
  name: string | undefined,
  options: ReviewOptions & { all?: boolean },
): Promise<void> {
  const opened = await open(name, options);
  printThreads(await readThreads(opened, options.all !== true), options);
}

async function reply(thread_id: string, given: string, options: CommonOptions): Promise<void> {
  const { api } = connect(options);
  const body = await textOf(given);
  const { data } = await api.threads.reply({ params: { thread_id }, body: { body } });
  printThreads([data], options);
}

async function setResolved(
  ids: readonly string[],
  resolved: boolean,
  options: CommonOptions,
): Promise<void> {
  const { api } = connect(options);
  const changed: Thread[] = [];
  for (const thread_id of ids) {
    const { data } = await api.threads.update({ params: { thread_id }, body: { resolved } });
    changed.push(data);
  }
  if (options.json === true || options.quiet === true) return printThreads(changed, options);
  for (const thread of changed) {
    const state = thread.resolved_at === null ? "open" : "resolved";
    writeLine(`${placeText(thread)} is ${state}.`);
  }
}

async function apply(name: string, ids: readonly string[], options: ReviewOptions): Promise<void> {
  const opened = await open(name, options);
  const { connection, task } = opened;
  const thread_ids = ids.length > 0 ? [...ids] : await openSuggestions(opened);
  const { data } = await connection.api.threads.applyAll({
    params: { task_id: task.id },
    body: { thread_ids },
  });
  if (options.json === true || options.quiet === true) return printItem({ ...data }, options);
  writeLine(
    `Applied ${counted(data.threads.length, "suggestion")} as ${data.commits.map(short).join(", ")}.`,
  );
}

/** Most threads of one call. */
const MAX_APPLIED = 100;

/** @throws FailedError without any */
async function openSuggestions(opened: Opened): Promise<string[]> {
  const threads = await readThreads(opened, true);
  const ids = threads.flatMap(({ id, suggestion }) => (suggestion?.state === "open" ? [id] : []));
  if (ids.length === 0) {
    throw new FailedError(`#${opened.task.number} has no open suggestion.`, exitCodes.conflict);
  }
  return ids.slice(0, MAX_APPLIED);
}
