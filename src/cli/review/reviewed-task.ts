/** The task of a command of reviews, and the parts that these commands share. */
import { text as readAll } from "node:stream/consumers";
import type { Command } from "commander";
import type { Task } from "#shared/api/work/tasks.js";
import { addCommon, addTaskProject, type CommonOptions } from "../commands/common-options.js";
import { connect, type Connection } from "../connection/connect.js";
import { attemptOf, findTask, OWN_TASK } from "../connection/names.js";

export interface ReviewOptions extends CommonOptions {
  project?: string;
  attempt?: string;
}

const aboutTask = "its number, such as 12 or shop#12, or its id";
export const withExamples = (command: Command, ...examples: string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${examples.map((one) => `  omoi ${one}`).join("\n")}`);

/** Adds a command of a task, which in an agent's run may be left out unless more arguments follow. */
export function addOfTask(
  group: Command,
  name: string,
  description: string,
  isLast = true,
): Command {
  const command = group.command(name).description(description);
  command.argument(
    isLast ? "[TASK]" : "<TASK>",
    isLast
      ? `${aboutTask}; in an agent's run, by default its own`
      : `${aboutTask}; own for that of an agent's run`,
  );
  return addCommon(addTaskProject(command));
}

export const attemptHelp = "which attempt; by default the chosen or only one";

export interface Opened {
  connection: Connection;
  task: Task;
}

export async function open(name: string | undefined, options: ReviewOptions): Promise<Opened> {
  const connection = connect(options);
  return { connection, task: await findTask(connection, name ?? OWN_TASK) };
}

/** The attempt that an option names; by default the server chooses. */
export const attemptIn = ({ task }: Opened, { attempt }: ReviewOptions): { attempt_id?: string } =>
  attempt === undefined ? {} : { attempt_id: attemptOf(task, attempt).id };

/** The text itself, or standard input for `-`. */
export const textOf = (given: string): string | Promise<string> =>
  given === "-" ? readAll(process.stdin) : given;
