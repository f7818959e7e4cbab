/** `omoi top`: the tasks and agents of an organization at work. */
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import type { AgentWork } from "#shared/api/work/overview.js";
import type { Task } from "#shared/api/work/tasks.js";
import { ApiError } from "#shared/contract/call.js";
import { connect, type Connection } from "../connection/connect.js";
import { findProject, organizationOf } from "../connection/names.js";
import { allRows } from "../connection/pages.js";
import { printJson, writeLine } from "../output/print.js";
import { styled } from "../output/style.js";
import { table } from "../output/table.js";
import { plain, shownSeconds, shownValue } from "../output/values.js";
import { addCommon, type CommonOptions } from "./common-options.js";

export function addTop(program: Command): void {
  addCommon(
    program
      .command("top")
      .description("Watch the tasks and agents of the organization at work")
      .option("--project <PROJECT>", "only those of a project")
      .option("--once", "print once; always so without a terminal"),
  ).action(top);
  addCommon(
    program
      .command("ps")
      .description("Show the tasks and agents of the organization at work, as omoi top --once does")
      .option("--project <PROJECT>", "only those of a project"),
  ).action((options: TopOptions) => top({ ...options, once: true }));
}

const REFRESH_MS = 2000;

type TopOptions = CommonOptions & { project?: string; once?: boolean };

async function top(options: TopOptions): Promise<void> {
  const connection = connect(options);
  const org_id = await organizationOf(connection);
  const project_id =
    options.project === undefined ? undefined : (await findProject(connection, options.project)).id;
  const read = async (): Promise<Work[]> => {
    const [work, tasks] = await Promise.all([
      allRows((page) =>
        connection.api.overview.work({
          params: { org_id },
          query: { ...page, ...(project_id !== undefined && { project_id }) },
        }),
      ),
      unfinishedTasks(connection, org_id, project_id),
    ]);
    return work.map((one) => ({ ...one, task: tasks.get(one.agent_id) ?? null }));
  };
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
    let rows: Work[] | null = null;
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

/** The columns of a task in a table. */
type TaskOfAgent = Pick<Task, "id" | "number" | "title" | "status" | "attention"> & {
  /** The number of the attempt; null for the only one. */
  attempt: number | null;
};

type Work = AgentWork & { task: TaskOfAgent | null };

const MAX_TASKS = 1000;

/** The unfinished tasks that changed last, by the ids of their agents. */
async function unfinishedTasks(
  { api }: Connection,
  org_id: string,
  project_id: string | undefined,
): Promise<Map<string, TaskOfAgent>> {
  const query = { status: "unfinished", sort: "updated_at" } as const;
  try {
    const rows = await allRows(
      (page) =>
        project_id === undefined
          ? api.tasks.listAll({ params: { org_id }, query: { ...query, ...page } })
          : api.tasks.list({ params: { project_id }, query: { ...query, ...page } }),
      MAX_TASKS,
    );
    return new Map(
      rows.flatMap(({ id, number, title, status, attention, attempts }) =>
        attempts.map((attempt) => [
          attempt.agent_id,
          {
            id,
            number,
            title,
            status,
            attention: attention?.attempt_id === attempt.id ? attention : null,
            attempt: attempts.length > 1 ? attempt.number : null,
          },
        ]),
      ),
    );
  } catch (error) {
    // A role without the permission, or an older server, still lists the agents.
    if (error instanceof ApiError && [403, 404].includes(error.status)) return new Map();
    throw error;
  }
}

const places = ["needs_you", "working", "ready", "idle"];

/** The task of an agent, or the agent itself. */
function nameOf({ agent_name, task }: Work): string {
  if (task === null) return plain(agent_name);
  const attempt = task.attempt === null ? "" : `, attempt ${task.attempt}`;
  return `#${task.number} ${plain(task.title)}${attempt}`;
}

function tableOf(rows: readonly Work[]): string {
  const sorted = rows.toSorted(
    (one, other) =>
      places.indexOf(one.state) - places.indexOf(other.state) ||
      one.agent_name.localeCompare(other.agent_name),
  );
  return table(
    [
      "Task or agent",
      "Project",
      "State",
      "For",
      "Unmerged",
      "+/-",
      "Conflicts",
      "Cost",
      "Last line",
    ],
    sorted.map((work) => {
      const { current, additions, deletions, cost_usd } = work;
      const seconds =
        current?.started_at == null ? null : (Date.now() - Date.parse(current.started_at)) / 1000;
      return [
        nameOf(work),
        plain(work.project_name),
        shownValue("state", work.state, "cell"),
        seconds === null ? "-" : shownSeconds(seconds),
        String(work.unmerged_commits ?? "-"),
        additions === null ? "-" : `+${additions} -${deletions}`,
        String(work.conflicts),
        `$${cost_usd.toFixed(2)}`,
        plain(work.task?.attention?.summary ?? work.last_line ?? work.task_title ?? ""),
      ];
    }),
  );
}
